// The contract of every compression method, and what it reports.

import type { z } from 'zod';
import type { OperationContext } from '#base';
import type { Engine } from '#engine';
import type { Model, Parameter } from '#models';
import type { TrainingData, TrainingScheme, TrainResult } from '#train';
import type { Calibration } from './calibration.ts';
import type { MethodTraining, TrainingSettings } from './training-fields.ts';

/** What a method may use besides the model. */
export interface CompressionEnvironment {
  readonly engine: Engine;
  /** Inputs of the model's layers on sample text; methods that look at activations need it. */
  readonly calibration?: Calibration;
  /** Seed of the whole recipe, for steps that set none. */
  readonly seed?: number;
  /** Layers of this step that an earlier attempt finished. */
  readonly memory?: LayerMemory;
  /** By path: what the step before that touched a layer lost of it (`LayerReport.weightError`). Layers that none touched are not in it. */
  readonly errorsBefore?: ReadonlyMap<string, number>;
  /** Text and teacher, for steps that train. */
  readonly training?: TrainingMaterial;
}

/** What a step that trains needs beside the model. */
export interface TrainingMaterial {
  /** Of the kind that the model's task learns from. */
  readonly corpus: TrainingData;
  /** A stored model by name, or the model that the recipe started from. */
  teacher(name?: string): Promise<Model>;
  /** Trains a model on `corpus` (or the request's data), with checkpoints; errors name the settings below `place`. */
  train(request: MethodTrainRequest, context: OperationContext): Promise<TrainResult>;
  /** Called when the step's result is kept: its checkpoints are of no use any more. */
  finished?(): Promise<void>;
}

/** One training that a method asks for. */
export interface MethodTrainRequest {
  readonly model: Model;
  readonly settings: MethodTraining;
  /** Where the settings stand in the step, for example `flop.training`. */
  readonly place: string;
  /** What the method changes about training. */
  readonly scheme?: TrainingScheme;
  /** Which parameters train; all when absent. */
  readonly trains?: (path: string) => boolean;
  /** In place of the job's own data. */
  readonly corpus?: TrainingData;
  /** Called after each step; `model` copies the weights to the host. */
  readonly afterStep?: (step: number, model: () => Model) => Promise<void>;
  /** Of a method that trains several times: a name for this training's checkpoints, other in each. */
  readonly part?: string;
}

/** What happened to one parameter. */
export interface LayerReport {
  readonly path: string;
  readonly kindBefore: string;
  readonly kindAfter: string;
  /** Bytes of its stored tensors. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** ‖W − W'‖ / ‖W‖ for the weight as it was stored before this step. */
  readonly weightError: number;
  /** ‖X·(W − W')‖ / ‖X·W‖ over the calibration inputs, where the method looked at them. */
  readonly outputError?: number;
  readonly rank?: number;
  /** Why a parameter was left as it is, or what else a reader should know. */
  readonly note?: string;
}

/** What a method made of one layer. */
export interface FinishedLayer {
  readonly layer: LayerReport;
  /** The parameters that are stored differently now; empty where the layer stays as it is. */
  readonly parameters: readonly Parameter[];
}

/**
 * Layers that are finished, kept where they survive the process, so that a stopped job goes on where it was.
 *
 * Keys are unique within one step of a recipe. What is recalled equals what was remembered, bit for bit.
 */
export interface LayerMemory {
  recall(key: string): Promise<FinishedLayer | undefined>;
  remember(key: string, finished: FinishedLayer): Promise<void>;
}

export interface MethodReport {
  readonly method: string;
  /** One row a touched parameter, in the model's order. */
  readonly layers: readonly LayerReport[];
  /** What a reader should know of the whole, for example how a publication counts it. */
  readonly note?: string;
  /** Over the touched parameters. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface MethodResult {
  readonly model: Model;
  readonly report: MethodReport;
}

/**
 * One way to make a model smaller.
 *
 * A method is a folder here, an object of this type, and one row in `registry.ts`. It changes how parameters are stored, and the
 * configuration only where units, layers or sharing ask for it.
 *
 * @typeParam Settings - its settings after defaults are filled in
 */
export interface Method<Settings> {
  /** Its name in recipes. */
  readonly name: string;
  /** Checks settings and fills in defaults; unknown fields are errors. The names of its fields are those of recipes. */
  readonly settings: z.ZodType<Settings> & { readonly shape: Readonly<Record<string, unknown>> };
  /** Whether these settings need `CompressionEnvironment.calibration`. */
  needsCalibration(settings: Settings): boolean;
  /** Stored models that these settings name. Absent: none. */
  models?(settings: Settings): readonly string[];
  /** How these settings train on the job's data, which decides what is read of it. Absent, or undefined: they do not. */
  training?(settings: Settings): TrainingSettings | undefined;
  /**
   * Returns a new model; the old one stays as it is. Reports progress per layer and stops at the signal.
   *
   * @throws AppError `cancelled` | `pattern_matches_nothing` | `bad_weights` | `not_enough_samples` and those of the method
   */
  apply(model: Model, settings: Settings, environment: CompressionEnvironment, context: OperationContext): Promise<MethodResult>;
}

/** Sums the rows of a method's layers. */
export function methodReport(method: string, layers: readonly LayerReport[]): MethodReport {
  const sum = (bytes: (layer: LayerReport) => number): number => layers.reduce((total, layer) => total + bytes(layer), 0);
  return { method, layers, bytesBefore: sum((layer) => layer.bytesBefore), bytesAfter: sum((layer) => layer.bytesAfter) };
}

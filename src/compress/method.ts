// The contract of every compression method, and what it reports.

import type { z } from 'zod';
import type { OperationContext } from '#base';
import type { Engine } from '#engine';
import type { Model, Parameter } from '#models';
import type { MethodTraining } from '#teaching';
import type { TrainingData, TrainingScheme, TrainingStages, TrainResult, TrainSettings } from '#train';
import type { ActivationStore, ActivationStoreOptions } from './activation-store.ts';
import type { Calibration } from './calibration.ts';
import type { GateReport } from './gate/verdict.ts';
import type { HeldOut, Measures, RecordMemory } from './measures.ts';
import type { SearchReport } from './search/report.ts';
import type { StoppingSettings } from './stopping-fields.ts';

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
  /** What the model's tokenizer puts in front of a text and behind it, for steps that make a model of sources and targets. */
  readonly boundaryTokens?: { readonly startToken?: number; readonly endToken?: number };
  /** Another stored model with the same tokenizer. */
  storedModel?(name: string): Promise<Model>;
  /** Data that no step trains on, for steps that measure. */
  readonly heldOut?: HeldOut;
  /** Figures of the recipe's stages, where there is held-out data. */
  readonly stages?: StageMeasures;
  /** What this step noted in an earlier attempt. */
  readonly records?: RecordMemory;
  /** A place of its own inside this step, for a step that runs recipes. Equal keys are the same place in every attempt. */
  within?(key: string): StepPlace;
}

/** What a step, or a recipe inside one, keeps for an attempt that goes on. */
export interface StepPlace extends Pick<CompressionEnvironment, 'memory' | 'training' | 'records' | 'within'> {
  /** Called when nothing in it is of use any more. */
  forget?(): Promise<void>;
}

/** Figures of models at places of a recipe; each is measured once. */
export interface StageMeasures {
  /** Of the model that the recipe started from. */
  start(): Promise<Measures>;
  /** Of the model that the step is given. */
  current(): Promise<Measures>;
  /** Of the model that passed the gate before; absent before the first gate that held. */
  readonly passed?: Measures;
}

/** What a step that trains needs beside the model. */
export interface TrainingMaterial {
  /** Of the kind that the model's task learns from. */
  readonly corpus: TrainingData;
  /** Labels of the texts in `corpus`, in the order of their numbers; absent where it has none. */
  readonly labels?: readonly string[] | undefined;
  /** A stored model by name, or the model that the recipe started from. */
  teacher(name?: string): Promise<Model>;
  /** Trains a model on `corpus` (or the request's data), with checkpoints; errors name the settings below `place`. */
  train(request: MethodTrainRequest, context: OperationContext): Promise<TrainResult>;
  /** What `train` trains with, defaults filled in. @throws AppError as `train` for settings that do not fit */
  settings(request: MethodTrainRequest): Promise<TrainSettings>;
  /** Where a frozen model's answers to the examples are kept; absent where nothing survives the process. The step closes it. */
  activations?(options: ActivationStoreOptions): Promise<ActivationStore>;
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
  /** Where model and scheme change on the way; in place of `scheme`. */
  readonly stages?: TrainingStages;
  /** Which parameters train; all when absent. */
  readonly trains?: (path: string) => boolean;
  /** Ends the training when held-out data says so. */
  readonly stopping?: StoppingSettings;
  /** In place of the job's own data. */
  readonly corpus?: TrainingData;
  /** Called after each step; `model` copies the weights to the host. */
  readonly afterStep?: (step: number, model: () => Model) => Promise<void>;
  /** Of a method that trains several times: a name for this training's checkpoints, other in each. */
  readonly part?: string;
}

/** A task that a step gives to a model. */
export interface TaughtTask {
  readonly kind: 'classify' | 'masked' | 'causal';
  /** Of `classify`; those of the data when absent. */
  readonly labels?: readonly string[];
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
  /** Of a step that decides whether the recipe goes on. */
  readonly gate?: GateReport & { readonly otherwise: 'keep' | 'fail' };
  /** Of a step that tried several recipes. */
  readonly search?: SearchReport;
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
  /** Whether these settings need `CompressionEnvironment.heldOut`. Absent: they do not. */
  needsHeldOut?(settings: Settings): boolean;
  /** Stored models that these settings name. Absent: none. */
  models?(settings: Settings): readonly string[];
  /** Whether training leaves the model's own matrices as they are, so that it holds no gradients and moments of them. @default false */
  readonly adapts?: boolean;
  /** How these settings train on the job's data, which decides what is read of it. Absent, or undefined: they do not. */
  training?(settings: Settings): MethodTraining | undefined;
  /** How large the model gets while it trains, relative to the one that the step is given. Absent: 1. */
  growth?(settings: Settings): number;
  /** The task that these settings give to the model, which decides what the job's data is read as. Absent, or undefined: it keeps its own. */
  teaches?(settings: Settings): TaughtTask | undefined;
  /**
   * Looks for what rules these settings out on this model, without data and without reading weights: a wrong pattern is told before hours of
   * reading. `apply` checks the same again. Absent: nothing can be told.
   *
   * @throws AppError as `apply`
   */
  check?(model: Model, settings: Settings): void;
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

// What a training holds and which of it trains: worked out before anything is on the device.
import type { Engine } from '#engine';
import { gradientName } from '#graph';
import { allInputs, declarations, type ModelDeclaration, type ParameterDeclaration } from '#models';
import { buildGradientGraph, type GradientGraph } from './gradient-graph.ts';
import type { RunOptions } from './gradient-programs.ts';
import type { Objective } from './objective.ts';
import { precisionOn } from './precision.ts';
import { combineSchemes, type SchemeTensor, schemeName, type TrainingScheme } from './scheme.ts';
import type { TrainSettings } from './settings.ts';

export interface LayoutOptions {
  /** Which parameters train; all when absent. */
  readonly trains?: ((path: string) => boolean) | undefined;
  /** What the method changes about training. */
  readonly scheme?: TrainingScheme | undefined;
}

/** A model, or what is known of it without its weights. */
interface Student<P extends ParameterDeclaration> {
  readonly config: ModelDeclaration['config'];
  readonly parameters: ReadonlyMap<string, P>;
}

export interface TrainerLayout<P extends ParameterDeclaration> {
  /** That of the objective and that of the method. */
  readonly scheme: TrainingScheme | undefined;
  /** The student's inputs that train, as `allInputs` has them. */
  readonly trained: ReturnType<typeof allInputs<P>>;
  /** Tensors of the scheme that train. */
  readonly schemeTensors: readonly SchemeTensor[];
  /** Of every graph of gradients. */
  readonly sizes: RunOptions;
  /** Graphs that together read every tensor that trains. */
  readonly widest: readonly GradientGraph[];
  /** As `widest`, adding to the gradients that are there. */
  adding(): readonly GradientGraph[];
}

/** @throws AppError `context_too_long` when the sequences are too long for the model */
export function layoutOf<P extends ParameterDeclaration>(
  engine: Pick<Engine, 'nativeProducts'>,
  model: Student<P>,
  objective: Objective,
  settings: TrainSettings,
  { trains, scheme: wanted }: LayoutOptions = {},
): TrainerLayout<P> {
  const scheme = combineSchemes([objective.scheme, wanted].filter((each) => each !== undefined));
  const inputs = allInputs(model).filter(({ parameter, input }) => input.trains && (trains?.(parameter.path) ?? true));
  const schemeTensors = scheme?.tensors ?? [];
  const precision = precisionOn(engine, settings);
  const sizes = {
    batch: settings.batchSize,
    trained: [...inputs.map(({ input }) => input.name), ...schemeTensors.map(({ name }) => schemeName(name))],
    masked: new Set(inputs.filter(({ input }) => input.mask !== undefined).map(({ input }) => input.name)),
    scheme,
    products: settings.products,
    recompute: settings.recompute,
    precision,
    lossScaled: precision === 'float16',
  };
  const student = declarations(model);
  const { sequenceLength: length, sourceLength } = settings;
  const build = (accumulates: boolean): readonly GradientGraph[] =>
    (scheme?.widestVariants ?? ['']).map((variant) =>
      buildGradientGraph(student, objective, { ...sizes, length, sourceLength, variant, accumulates }),
    );
  const widest = build(false);
  // Only tensors that a graph reads have gradients.
  const made = new Set(widest.flatMap(({ graph }) => graph.outputs.map(({ name }) => name)));
  const hasGradient = (name: string): boolean => made.has(gradientName(name));
  return {
    scheme,
    trained: inputs.filter(({ input }) => hasGradient(input.name)),
    schemeTensors: schemeTensors.filter(({ name }) => hasGradient(schemeName(name))),
    sizes,
    widest,
    adding: () => build(true),
  };
}

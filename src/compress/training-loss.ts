// The loss of a model on a few batches of the text that a step trains on, and what its layers read there, without training.
import { at, chosen, invariant, type OperationContext, throwIfCancelled } from '#base';
import type { Engine, Program } from '#engine';
import type { Value } from '#graph';
import { declarations, type Model, modelInputs } from '#models';
import type { MethodTraining } from '#teaching';
import { type HostTensor, toNumbers } from '#tensor';
import {
  buildGradientGraph,
  type Objective,
  objectiveOf,
  openBatches,
  type TrainingBatch,
  type TrainingData,
  tensorsOf,
  trainSettings,
} from '#train';

const numBatches = 8;
const defaultSequence = 128;

export interface TrainingLossRequest {
  readonly model: Model;
  readonly corpus: TrainingData;
  /** Batch size and lengths are those of the training. */
  readonly training: MethodTraining;
  /** Batches are drawn by it: the same ones for each model that is compared. */
  readonly seed: number;
  /** Further scalars of the graph, by name; absent: the loss alone. */
  readonly metrics?: (context: Parameters<Objective['build']>[0]) => Readonly<Record<string, Value>>;
}

/** Means over the batches: `loss`, cross-entropy in nats, and the metrics asked for. */
export async function trainingLoss(
  request: TrainingLossRequest,
  engine: Engine,
  { signal }: OperationContext,
): Promise<ReadonlyMap<string, number>> {
  const { model, corpus, training, seed, metrics } = request;
  const positions = model.config.maxPositions;
  const { batchSize, sourceLength, sequenceLength = Math.min(defaultSequence, positions) } = training;
  const settings = trainSettings({
    ...(batchSize === undefined ? {} : { batchSize }),
    ...(sourceLength === undefined ? {} : { sourceLength }),
    sequenceLength,
    seed,
  });
  const plain = objectiveOf(corpus, settings);
  const objective: Objective = {
    ...plain,
    build: (context) => {
      const { loss } = plain.build(context);
      return { loss, metrics: metrics?.(context) ?? {} };
    },
  };
  const source = openBatches(model, corpus, settings, undefined, 'fixed');
  const inputs = Object.fromEntries(modelInputs(model));
  const programs = new Map<string, { readonly program: Program; readonly names: readonly string[] }>();
  const sums = new Map<string, number>();
  try {
    for (let index = 0; index < numBatches; index++) {
      throwIfCancelled(signal);
      const batch = source.next();
      const sizes = sizesOf(batch);
      const key = JSON.stringify(sizes);
      let known = programs.get(key);
      if (known === undefined) {
        const { graph, metricNames } = buildGradientGraph(declarations(model), objective, { ...sizes, trained: [], accumulates: false });
        known = { program: await engine.compile(graph, { name: 'training-loss' }), names: metricNames };
        programs.set(key, known);
      }
      const { program, names } = known;
      const results = await program.run(chosen<HostTensor>({ ...inputs, ...tensorsOf(batch) }, program.inputNames), { signal });
      for (const name of names) {
        const result = results[name];
        invariant(result !== undefined, `the program makes ${name}`);
        sums.set(name, (sums.get(name) ?? 0) + at(toNumbers(result.read()), 0) / numBatches);
      }
      for (const result of Object.values(results)) result.release();
    }
    return sums;
  } finally {
    await Promise.all([...programs.values()].map(({ program }) => program.release()));
  }
}

function sizesOf(batch: TrainingBatch): { readonly batch: number; readonly length: number; readonly sourceLength?: number } {
  if ('source' in batch)
    return { batch: at(batch.labels.shape, 0), length: at(batch.labels.shape, 1), sourceLength: at(batch.source.shape, 1) };
  return { batch: at(batch.tokens.shape, 0), length: at(batch.tokens.shape, 1) };
}

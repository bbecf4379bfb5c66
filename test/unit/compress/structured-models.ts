// Models with units masked by hand, and their logits, for the tests of structured pruning.

import { Random } from '#base';
import { createReferenceEngine } from '#engine/reference';
import {
  buildLogitsGraph,
  denseParameter,
  type Model,
  materializeParameter,
  modelInputs,
  type Parameter,
  parameterSpecs,
  replaceParameters,
} from '#models';
import { type HostTensor, hostTensor, int64, toNumbers } from '#tensor';

/** The same model with random gains and biases, so that every vector shows in the logits. */
export function withRandomVectors(model: Model, seed = 3): Model {
  const random = new Random(seed);
  const vectors = [...parameterSpecs(model).values()].filter(({ role }) => role === 'vector');
  return replaceParameters(
    model,
    vectors.map(({ path, shape }) => denseParameter(path, randomVector(random, shape))),
  );
}

function randomVector(random: Random, shape: readonly number[]): HostTensor {
  const [length = 0] = shape;
  return hostTensor(
    'float32',
    shape,
    Float32Array.from({ length }, () => 0.7 + 0.5 * random.normal()),
  );
}

/** A dense parameter with every element changed. */
export function edited(model: Model, path: string, change: (value: number, row: number, column: number) => number): Parameter {
  const { shape, data } = materializeParameter(model, path);
  const columns = shape[1] ?? 1;
  const changed = data.map((value, index) => change(value, Math.floor(index / columns), index % columns));
  return denseParameter(path, hostTensor('float32', shape, changed));
}

/** The model with some rows of some matrices at zero. */
export function withZeroRows(model: Model, rowsByPath: Readonly<Record<string, readonly number[]>>): Model {
  return replaceParameters(
    model,
    Object.entries(rowsByPath).map(([path, rows]) => edited(model, path, (value, row) => (rows.includes(row) ? 0 : value))),
  );
}

export const sampleTokens = int64([2, 9], [1, 5, 9, 3, 0, 7, 28, 2, 2, 11, 30, 31, 8, 8, 12, 39, 20, 6]);

/** Logits [B*T*V] of the sample tokens on the reference engine. */
export async function logitsOf(model: Model): Promise<Float64Array> {
  const engine = createReferenceEngine();
  const graph = buildLogitsGraph(model, { batch: 2, length: 9 });
  const program = await engine.compile(graph);
  const { logits } = await program.run({ ...Object.fromEntries(modelInputs(model)), tokens: sampleTokens });
  const numbers = Float64Array.from(toNumbers(logits!.read()));
  await engine.dispose();
  return numbers;
}

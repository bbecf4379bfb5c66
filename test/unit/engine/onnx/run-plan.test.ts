// The scratch memory that a graph is expected to take is what the runtime's arena then holds.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at } from '#base';
import type { Engine, RunMemory } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { type Emitter, type Graph, GraphBuilder, gradients, type OpName, optimizeGraph, type Value } from '#graph';
import { evaluateShape, hostTensor } from '#tensor';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterAll(() => engine.dispose());

/** What the arena holds after one run of a graph by itself. */
async function measured(graph: Graph, sizes: ReadonlyMap<string, number> = new Map()): Promise<number> {
  const program = await engine.compile(graph);
  try {
    const before = engine.counters().scratchBytes;
    const inputs = graph.inputs.map(({ name, value }) => [name, hostTensor(value.dtype, evaluateShape(value.shape, sizes))] as const);
    const outputs = graph.outputs.map(
      ({ name, value }) => [name, engine.allocate({ dtype: value.dtype, shape: evaluateShape(value.shape, sizes) })] as const,
    );
    await program.run(Object.fromEntries(inputs), { outputs: Object.fromEntries(outputs) });
    for (const [, buffer] of outputs) buffer.release();
    return engine.counters().scratchBytes - before;
  } finally {
    await program.release();
  }
}

const rows = 256;
const columns = 128;
const cellBytes = 4 * rows * columns;

/** x -> exp -> the op -> one number, so that the op alone decides how many tensors there are. */
function around(apply: (b: Emitter, x: Value, other: Value) => Value, numRows: number | string = rows): Graph {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', [numRows, columns]);
  const made = apply(b, b.exp(x), x);
  const plain = made.dtype === 'float32' ? made : b.cast(made, 'float32');
  const axes = plain.shape.map((_, axis) => axis);
  return b.graph({ result: axes.length === 0 ? plain : b.reduceMax(plain, axes) });
}

const kernels: Partial<Record<OpName, (b: Emitter, x: Value, other: Value) => Value>> = {
  neg: (b, x) => b.neg(x),
  log: (b, x) => b.log(x),
  sqrt: (b, x) => b.sqrt(x),
  reciprocal: (b, x) => b.reciprocal(x),
  tanh: (b, x) => b.tanh(x),
  erf: (b, x) => b.erf(x),
  sigmoid: (b, x) => b.sigmoid(x),
  abs: (b, x) => b.abs(x),
  add: (b, x, other) => b.add(x, other),
  sub: (b, x, other) => b.sub(other, x),
  mul: (b, x) => b.mul(x, 3),
  div: (b, x, other) => b.div(x, other),
  maximum: (b, x, other) => b.maximum(x, other),
  where: (b, x, other) => b.where(b.less(other, 0), x, other),
  reshape: (b, x) => b.softmax(b.reshape(x, [columns, rows])),
  transpose: (b, x) => b.softmax(b.transpose(x, [1, 0])),
  slice: (b, x) => b.softmax(b.slice(x, 1, 0, 64)),
  pad: (b, x) => b.softmax(b.pad(x, 0, 1, 1)),
  concat: (b, x, other) => b.softmax(b.concat([x, other], 1)),
  reduceSum: (b, x) => b.tanh(b.reduceSum(x, [0])),
  reduceMean: (b, x) => b.tanh(b.reduceMean(x, [1], true)),
  matmul: (b, x, other) => b.matmul(x, other, { transposeB: true }),
  softmax: (b, x) => b.softmax(x),
  logSoftmax: (b, x) => b.logSoftmax(x),
  gelu: (b, x) => b.gelu(x),
  geluTanh: (b, x) => b.geluTanh(x),
  silu: (b, x) => b.silu(x),
};

describe('scratch memory of single kernels', () => {
  it.each(Object.entries(kernels))('%s', async (_, apply) => {
    const graph = around(apply);
    const { scratchBytes } = await engine.planRun(graph);
    const held = await measured(graph);
    expect(held).toBeGreaterThanOrEqual(cellBytes);
    // Half a tensor would be seen.
    expect(Math.abs(scratchBytes - held)).toBeLessThan(cellBytes / 8);
  });
});

/** A network of products with its gradients: forward values wait for the backward pass. */
function trainingGraph(layers: number, width: number, batch: number): Graph {
  const b = new GraphBuilder();
  let x = b.input('x', 'float32', [batch, width]);
  const weights = Array.from({ length: layers }, (_, layer) => b.input(`w${layer}`, 'float32', [width, width]));
  for (const weight of weights) x = b.add(x, b.geluTanh(b.matmul(x, weight)));
  const loss = b.reduceMean(b.mul(x, x), [0, 1]);
  const made = gradients(b, loss, weights);
  return optimizeGraph(b.graph({ loss, ...Object.fromEntries(made.map((gradient, layer) => [`d${layer}`, gradient])) }));
}

/** Forward only, with a symbol for its rows: three values wait for the last. */
function deepGraph(batch: string): Graph {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', [batch, 64]);
  const [first, second] = [b.exp(x), b.neg(x)];
  return b.graph({ y: b.mul(b.add(first, second), b.geluTanh(b.sub(first, b.mul(second, 2)))) });
}

describe('scratch memory of a training graph', () => {
  it.each([
    [2, 64, 512],
    [6, 64, 512],
    [4, 128, 300],
  ])('%d layers of %d, %d rows: within 2 %%', async (layers, width, batch) => {
    const graph = trainingGraph(layers, width, batch);
    const plan = await engine.planRun(graph);
    const held = await measured(graph);
    expect(plan.scratchBytes / held).toBeGreaterThan(0.98);
    expect(plan.scratchBytes / held).toBeLessThan(1.02);
    expect(plan.liveScratchBytes).toBeLessThanOrEqual(plan.scratchBytes);
    // The inner value and the result of each layer's activation, at the least.
    expect(plan.liveScratchBytes).toBeGreaterThan(2 * layers * 4 * batch * width);
  });

  it('of a graph with sizes that are known only when it runs', async () => {
    const sizes = new Map([['B', 384]]);
    const graph = deepGraph('B');
    const plan = await engine.planRun(graph, { sizes });
    const held = await measured(graph, sizes);
    expect(plan.scratchBytes / held).toBeGreaterThan(0.98);
    expect(plan.scratchBytes / held).toBeLessThan(1.02);
  });

  it('holds nothing itself', async () => {
    const before = engine.counters();
    await engine.planRun(trainingGraph(2, 64, 64));
    expect(engine.counters()).toEqual(before);
  });
});

it('an engine without an account of its scratch space counts what lives together', async () => {
  const reference = createReferenceEngine();
  const shallow = await reference.planRun(trainingGraph(2, 8, 16));
  const deep = await reference.planRun(trainingGraph(4, 8, 16));
  expect(deep.scratchBytes).toBeGreaterThan(1.5 * shallow.scratchBytes);
  const chain: readonly RunMemory[] = await Promise.all([4, 8].map((length) => reference.planRun(chainOf(length))));
  // A value that nobody reads any more goes.
  expect(at(chain, 0).scratchBytes).toBe(at(chain, 1).scratchBytes);
});

function chainOf(length: number): Graph {
  const b = new GraphBuilder();
  let x = b.input('x', 'float32', [32]);
  for (let index = 0; index < length; index++) x = b.tanh(x);
  return b.graph({ x });
}

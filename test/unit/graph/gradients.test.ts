// Reverse mode on graphs that share values; single rules are checked in test/grad.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createReferenceEngine, evaluateOnHost } from '#engine/reference';
import { type Graph, GraphBuilder, gradients, optimizeGraph, printGraph, topologicalOrder, type Value, verifyGraph } from '#graph';
import { float32, type HostTensor, hostTensor, int64, toNumbers } from '#tensor';
import { anyProgram, makeRandomGraph } from './random-graphs.ts';

const scalar = (value: number): HostTensor => hostTensor('float64', [], Float64Array.of(value));

async function values(graph: Graph, inputs: Record<string, HostTensor>): Promise<Record<string, number[]>> {
  const results = await evaluateOnHost(graph, inputs);
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, [...data]]));
}

describe('gradients', () => {
  it('adds up the contributions of a value that is used several times', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float64', []);
    const square = b.mul(x, x);
    const loss = b.add(b.mul(square, x), b.mul(square, square)); // x³ + x⁴
    const [dX, dSquare] = gradients(b, loss, [x, square]) as [Value, Value];
    expect(await values(b.graph({ dX, dSquare }), { x: scalar(2) })).toEqual({ dX: [12 + 32], dSquare: [2 + 8] });
  });

  it('visits a shared node once, however many paths lead to it', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float64', []);
    let y: Value = x;
    for (let layer = 0; layer < 60; layer++) y = b.add(b.tanh(y), y); // 2^60 paths
    const [dX] = gradients(b, y, [x]) as [Value];
    expect(topologicalOrder(b.graph({ dX })).length).toBeLessThan(600);
  });

  it('is zero where the loss does not depend on a value, or only through what has no slope', async () => {
    const b = new GraphBuilder();
    const [x, y, z] = [b.input('x', 'float64', []), b.input('y', 'float64', [2]), b.input('z', 'float64', [])];
    const loss = b.add(b.exp(x), b.floor(z));
    const [dY, dZ, dLoss] = gradients(b, loss, [y, z, loss]) as [Value, Value, Value];
    const graph = b.graph({ dY, dZ, dLoss });
    verifyGraph(graph);
    expect(await values(graph, { x: scalar(1), y: hostTensor('float64', [2]), z: scalar(1.5) })).toEqual({
      dY: [0, 0],
      dZ: [0],
      dLoss: [1],
    });
  });

  it('adds the gradients of both results of an op', async () => {
    const b = new GraphBuilder();
    const logits = b.input('logits', 'float64', [1, 3]);
    const labels = b.input('labels', 'int64', [1]);
    const [losses, logProbabilities] = b.crossEntropy(logits, labels);
    const weights = b.constant(hostTensor('float64', [1, 3], Float64Array.of(1, -2, 0.5)));
    const byLoss = b.reduceSum(losses, [0]);
    const byLog = b.reduceSum(b.mul(logProbabilities, weights), [0, 1]);
    const of = (loss: Value): Value => gradients(b, loss, [logits])[0]!;
    const graph = b.graph({ both: of(b.add(byLoss, byLog)), loss: of(byLoss), log: of(byLog) });
    verifyGraph(graph);
    const inputs = { logits: hostTensor('float64', [1, 3], Float64Array.of(0.2, -1, 0.7)), labels: int64([1], [2]) };
    const { both, loss, log } = await values(graph, inputs);
    const exponentials = [0.2, -1, 0.7].map(Math.exp);
    const total = exponentials.reduce((sum, value) => sum + value, 0);
    exponentials.forEach((value, index) => {
      const p = value / total;
      expect(loss![index]).toBeCloseTo(p - (index === 2 ? 1 : 0), 12);
      expect(log![index]).toBeCloseTo([1, -2, 0.5][index]! + 0.5 * p, 12); // weights sum to -0.5
      expect(both![index]).toBeCloseTo(loss![index]! + log![index]!, 12);
    });
  });

  it('does not ask an op for a rule when only its result is wanted', () => {
    const b = new GraphBuilder();
    const q = b.input('q', 'float32', [1, 1, 8]);
    const past = b.input('past', 'float32', [1, 1, 4, 8]);
    const last = b.input('last', 'int32', [1]);
    const [y] = b.groupQueryAttention(q, q, q, past, past, last, last, { heads: 1, keyValueHeads: 1, scale: 1 });
    expect(() => gradients(b, b.reduceSum(b.mul(y, y), [0, 1, 2]), [y])).not.toThrow();
  });

  it('computes nothing for operands that lead nowhere', () => {
    const b = new GraphBuilder();
    const [x, frozen] = [b.input('x', 'float32', [2, 3]), b.input('frozen', 'float32', [3, 4])];
    const [dX] = gradients(b, b.reduceSum(b.matmul(x, b.tanh(frozen)), [0, 1]), [x]) as [Value];
    expect(printGraph(b.graph({ dX })).match(/= matmul/g)).toHaveLength(1);
  });

  it('refuses a loss that is no scalar, and statistics of a norm as part of the loss', () => {
    const b = new GraphBuilder();
    const [x, gain] = [b.input('x', 'float32', [2, 3]), b.input('g', 'float32', [3])];
    expect(() => gradients(b, x, [x])).toThrow(/gradients: the loss must be a scalar, its shape is \[2, 3\]/);
    const [, inverse] = b.rmsNorm(x, gain, 1e-5);
    expect(() => gradients(b, b.reduceSum(inverse, [0, 1]), [x])).toThrow(/\[not_differentiable\] rmsNorm/);
  });

  it('agrees with differences along a random direction, on random graphs', async () => {
    await fc.assert(
      fc.asyncProperty(anyProgram, fc.nat(1000), async (program, seed) => {
        const { graph, inputs } = makeRandomGraph(
          program.filter(({ op }) => op % 18 !== 17),
          seed,
        ); // the last op stops gradients
        const lossAt = async (shift: number): Promise<number> => {
          const moved = Object.entries(inputs).map(([name, tensor]) => {
            const data = Float64Array.from(toNumbers(tensor), (value, index) => value + shift * Math.cos(index + 1));
            return [name, hostTensor('float64', tensor.shape, data)] as const;
          });
          return (await values(graph, Object.fromEntries(moved)))['loss']![0]!;
        };
        const analytic = await values(graph, inputs);
        const slope = [0, 1, 2].reduce(
          (sum, input) => sum + analytic[`dX${input}`]!.reduce((part, value, index) => part + value * Math.cos(index + 1), 0),
          0,
        );
        const step = 1e-5;
        const numeric = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
        expect(Math.abs(slope - numeric)).toBeLessThan(1e-5 * (1 + Math.abs(numeric)));
      }),
      { numRuns: 60 },
    );
  });
});

describe('symbolic dimensions', () => {
  it('run with any sizes on one program, gradients of unequal parts included', async () => {
    const b = new GraphBuilder();
    const parts = ['A', 'B', 'C'].map((size) => b.input(size.toLowerCase(), 'float32', [size, 2]));
    const joined = b.concat(parts, 0); // [A+B+C, 2]
    const positions = b.cast(b.range('A+B+C'), 'float32');
    const loss = b.reduceSum(b.mul(joined, b.reshape(positions, ['A+B+C', 1])), [0, 1]);
    const derivatives = gradients(b, loss, parts);
    const padded = b.slice(b.pad(parts[1]!, 0, 'A', 'C'), 0, 'A', 'A+B');
    const graph = optimizeGraph(b.graph({ loss, dA: derivatives[0]!, dB: derivatives[1]!, dC: derivatives[2]!, padded }), { verify: true });
    const engine = createReferenceEngine();
    const program = await engine.compile(graph);
    for (const sizes of [
      [1, 2, 3],
      [3, 1, 2],
      [2, 0, 1],
    ]) {
      const inputs = Object.fromEntries(
        ['a', 'b', 'c'].map((name, index) => [name, float32([sizes[index]!, 2], new Float32Array(2 * sizes[index]!).fill(index + 1))]),
      );
      const results = await program.run(inputs);
      let position = 0;
      for (const [index, name] of ['dA', 'dB', 'dC'].entries()) {
        const expected = Array.from({ length: sizes[index]! }, () => position++).flatMap((row) => [row, row]);
        expect([...toNumbers(results[name]!.read())]).toEqual(expected);
      }
      expect([...toNumbers(results['padded']!.read())]).toEqual([...toNumbers(inputs['b']!)]);
      for (const buffer of Object.values(results)) buffer.release();
    }
    await program.release();
    expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  });

  it('are checked against each other, expressions too', async () => {
    const b = new GraphBuilder();
    const [x, y] = [b.input('x', 'float32', ['B', 'T']), b.input('y', 'float32', ['B*T'])];
    const graph = b.graph({ sum: b.add(b.reshape(x, ['B*T']), y) });
    await expect(evaluateOnHost(graph, { x: float32([1, 2], [1, 2]), y: float32([3], [1, 2, 3]) })).rejects.toThrow(
      '[shape_mismatch] input "y": expected [2], got [3].',
    );
  });
});

describe('deep graphs', () => {
  it('of 20,000 nodes do not overflow the stack anywhere', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [2]);
    let y: Value = x;
    for (let layer = 0; layer < 10_000; layer++) y = b.tanh(b.add(y, x));
    const [dX] = gradients(b, b.reduceSum(y, [0]), [x]) as [Value];
    const graph = b.graph({ dX });
    verifyGraph(graph);
    expect(topologicalOrder(graph).length).toBeGreaterThan(40_000);
    const faster = optimizeGraph(graph, { verify: true });
    expect(printGraph(faster).split('\n').length).toBeGreaterThan(40_000);
  });

  it('of a long sum of pads become one concat', () => {
    const b = new GraphBuilder();
    const count = 20_000;
    const x = b.input('x', 'float32', [1]);
    let sum = b.pad(x, 0, 0, count - 1);
    for (let index = 1; index < count; index++) sum = b.add(sum, b.pad(x, 0, index, count - index - 1));
    expect(topologicalOrder(optimizeGraph(b.graph({ sum }))).map(({ op }) => op)).toEqual(['input', 'concat']);
  });
});

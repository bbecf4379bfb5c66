// Patterns that are lowered to fewer kernels give what the plain ops give.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateOnHost } from '#engine/reference';
import { GraphBuilder, type Value } from '#graph';
import { float32, type HostTensor, int64 } from '#tensor';
import { expectAllClose } from '#test/allclose';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu' });
});
afterAll(() => engine.dispose());

const random = new Random(3);
const normal = (...shape: number[]): HostTensor =>
  float32(
    shape,
    Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () => random.normal()),
  );

async function expectSame(
  inputs: Record<string, HostTensor>,
  build: (b: GraphBuilder, values: Record<string, Value>) => Record<string, Value>,
): Promise<void> {
  const b = new GraphBuilder();
  const values = Object.fromEntries(Object.entries(inputs).map(([name, { dtype, shape }]) => [name, b.input(name, dtype, shape)]));
  const graph = b.graph(build(b, values));
  const wanted = await evaluateOnHost(graph, inputs);
  const program = await engine.compile(graph);
  // Twice, because a kernel that wrote over its operand would spoil the second run.
  for (let run = 0; run < 2; run++) {
    const results = await program.run(inputs);
    for (const [name, buffer] of Object.entries(results)) {
      expect(buffer.shape).toEqual(wanted[name]!.shape);
      expectAllClose(buffer.read().data as Float32Array, wanted[name]!.data, { relative: 1e-5, absolute: 1e-6 });
      buffer.release();
    }
  }
  await program.release();
}

describe('fused lowerings', () => {
  const ids = int64([5], [2, 0, 2, 3, 1]);

  it('add rows into a table on either side of the sum', async () => {
    await expectSame({ x: normal(4, 3), ids, rows: normal(5, 3) }, (b, { x, ids, rows }) => ({
      right: b.add(b.mul(x!, 2), b.scatterAdd(ids!, rows!, 4)),
      left: b.add(b.scatterAdd(ids!, b.neg(rows!), 4), b.mul(x!, 3)),
    }));
  });

  it('leave a table alone that is needed elsewhere, and rows that are', async () => {
    await expectSame({ x: normal(4, 3), ids, rows: normal(5, 3) }, (b, { x, ids, rows }) => {
      const base = b.mul(x!, 2);
      const scattered = b.scatterAdd(ids!, rows!, 4);
      return { sum: b.add(base, b.scatterAdd(ids!, b.neg(rows!), 4)), base, other: b.add(base, scattered), scattered };
    });
  });

  it('add two tables of rows', async () => {
    await expectSame({ ids, rows: normal(5, 3) }, (b, { ids, rows }) => ({
      sum: b.add(b.scatterAdd(ids!, rows!, 4), b.scatterAdd(ids!, b.exp(rows!), 4)),
    }));
  });

  it('sum squares', async () => {
    await expectSame({ x: normal(4, 3) }, (b, { x }) => ({
      all: b.reduceSum(b.mul(x!, x!), [0, 1]),
      kept: b.reduceSum(b.mul(b.exp(x!), b.exp(x!)), [1], true),
    }));
  });
});

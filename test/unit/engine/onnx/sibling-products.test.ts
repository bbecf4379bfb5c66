// Products of one value joined into one: the same numbers, whatever the weights are held in, and nothing joined that may not be.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { type Graph, GraphBuilder, topologicalOrder, type Value } from '#graph';
import { float32, type HostTensor, hostTensor, sizeOf } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { joinSiblingProducts } from '../../../../src/engine/onnx/sibling-products.ts';

let engine: Engine;
const reference = createReferenceEngine();
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu' });
});
afterAll(async () => {
  await engine.dispose();
  await reference.dispose();
});

const [K, sizes, groupSize] = [32, [16, 8, 24], 16];
const random = new Random(5);
const normal = (...shape: number[]): HostTensor =>
  float32(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
  );
const bytes = (...shape: number[]): HostTensor =>
  hostTensor(
    'uint8',
    shape,
    Uint8Array.from({ length: sizeOf(shape) }, () => random.integer(256)),
  );

interface Case {
  readonly graph: Graph;
  readonly frozen: ReadonlyMap<string, HostTensor>;
}

/** A graph over frozen tensors that are declared as they are asked for. */
function built(build: (b: GraphBuilder, x: Value, frozen: (name: string, tensor: HostTensor) => Value) => Record<string, Value>): Case {
  const b = new GraphBuilder();
  const frozen = new Map<string, HostTensor>();
  const x = b.input('x', 'float32', ['N', K]);
  const declare = (name: string, tensor: HostTensor): Value => {
    frozen.set(name, tensor);
    return b.input(name, tensor.dtype, tensor.shape);
  };
  return { graph: b.graph(build(b, x, declare)), frozen };
}

type Weight = (b: GraphBuilder, x: Value, name: string, size: number, declare: (name: string, tensor: HostTensor) => Value) => Value;

const dense: Weight = (b, x, name, size, declare) => b.matmul(x, declare(name, normal(K, size)));
const denseByRow: Weight = (b, x, name, size, declare) => b.matmul(x, declare(name, normal(size, K)), { transposeB: true });
const integers: Weight = (b, x, name, size, declare) => {
  const codes = hostTensor(
    'int8',
    [size, K],
    Int8Array.from({ length: size * K }, () => random.integer(255) - 127),
  );
  return b.matmulInt8(x, { codes: declare(`${name}.codes`, codes), scales: declare(`${name}.scales`, normal(size === 8 ? 1 : size)) });
};
const packed =
  (bits: number): Weight =>
  (b, x, name, size, declare) =>
    b.matmulNBits(
      x,
      {
        codes: declare(`${name}.codes`, bytes(size, K / groupSize, (groupSize * bits) / 8)),
        scales: declare(`${name}.scales`, normal(size, K / groupSize)),
        zeroPoints: declare(`${name}.zeros`, bytes(size, Math.ceil(((K / groupSize) * bits) / 8))),
      },
      { bits, groupSize, size: K },
    );

const kinds: Readonly<Record<string, Weight>> = {
  dense,
  denseByRow,
  integers,
  'packed in 8 bits': packed(8),
  'packed in 4 bits': packed(4),
};

function products({ graph }: { readonly graph: Graph }): number {
  return topologicalOrder(graph).filter(({ op }) => op.startsWith('matmul')).length;
}

async function resultsOf(on: Engine, { graph, frozen }: Case, x: HostTensor): Promise<Float32Array[]> {
  const program = await on.compile(graph, { frozen });
  const results = await program.run({ x });
  const read = graph.outputs.map(({ name }) => Float32Array.from(results[name]!.read().data as Float32Array));
  for (const buffer of Object.values(results)) buffer.release();
  await program.release();
  return read;
}

describe.each(Object.entries(kinds))('products with weights that are %s', (_, weight) => {
  const three = (hasBias: boolean): Case =>
    built((b, x, declare) =>
      Object.fromEntries(
        sizes.map((size, index) => {
          const y = weight(b, x, `w${index}`, size, declare);
          return [`y${index}`, b.tanh(b.mul(hasBias ? b.add(y, declare(`bias${index}`, normal(size))) : y, 0.01))];
        }),
      ),
    );

  it.each([
    ['without biases', false],
    ['with biases', true],
  ])('become one product with the same numbers, %s', async (_, hasBias) => {
    const apart = three(hasBias);
    const joined = joinSiblingProducts(apart);
    expect([products(apart), products(joined)]).toEqual([3, 1]);
    const x = normal(5, K);
    const wanted = await resultsOf(reference, apart, x);
    // Joined here, and joined again by the engine where that has nothing left to do.
    for (const [index, y] of (await resultsOf(reference, joined, x)).entries()) expectAllClose(y, wanted[index]!, { absolute: 1e-6 });
    for (const [index, y] of (await resultsOf(engine, apart, x)).entries()) expectAllClose(y, wanted[index]!, { absolute: 5e-2 });
  });
});

describe('products that stay apart', () => {
  it('have different operands', () => {
    const apart = built((b, x, declare) => ({
      y: b.matmul(x, declare('v', normal(K, 8))),
      z: b.matmul(b.exp(x), declare('w', normal(K, 8))),
    }));
    expect(products(joinSiblingProducts(apart))).toBe(2);
  });

  it('have weights that something else reads', () => {
    const apart = built((b, x, declare) => {
      const v = declare('v', normal(K, 8));
      return { y: b.matmul(x, v), z: b.matmul(x, declare('w', normal(K, 8))), whole: b.exp(v) };
    });
    expect(products(joinSiblingProducts(apart))).toBe(2);
  });

  it('have weights that change', () => {
    const { graph } = built((b, x, declare) => ({
      y: b.matmul(x, declare('v', normal(K, 8))),
      z: b.matmul(x, declare('w', normal(K, 8))),
    }));
    expect(products(joinSiblingProducts({ graph, frozen: new Map() }))).toBe(2);
  });
});

it('joins the weights of layers that share them once', () => {
  const shared = built((b, x, declare) => {
    const [v, w] = [declare('v', normal(K, K)), declare('w', normal(K, K))];
    const layer = (rows: Value): Value => b.mul(b.matmul(rows, v), b.matmul(rows, w));
    return { y: layer(layer(x)) };
  });
  const joined = joinSiblingProducts(shared);
  expect(products(joined)).toBe(2);
  expect([...joined.frozen.keys()]).toEqual(['v + w']);
});

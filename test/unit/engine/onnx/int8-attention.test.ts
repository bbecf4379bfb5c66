// Attention over a cache of 8-bit codes: long pieces of prompts go through floats, and leave the same codes as the kernel that reads codes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at, Random } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { type Graph, GraphBuilder } from '#graph';
import { type Dim, float32, type HostTensor, hostTensor, int32, multiplyDims, sizeOf } from '#tensor';

const [heads, groups, width, room] = [4, 2, 16, 64];

/** @param isPacked - queries, keys and values stand side by side in rows */
function attentionGraph(length: Dim, isPacked: boolean): Graph {
  const b = new GraphBuilder('attention');
  const widths = [heads * width, groups * width, groups * width];
  const packed = (): readonly ReturnType<typeof b.input>[] => {
    const rows = b.tanh(b.input('qkv', 'float32', [multiplyDims('B', length), (heads + 2 * groups) * width]));
    let start = 0;
    return widths.map((size) => {
      start += size;
      return b.reshape(b.slice(rows, 1, start - size, start), ['B', length, size]);
    });
  };
  const parts = isPacked ? packed() : widths.map((size, index) => b.input(at(['q', 'k', 'v'], index), 'float32', ['B', length, size]));
  const cache = {
    pastKey: b.input('pastKey', 'int8', ['B', groups, 'S', width]),
    pastValue: b.input('pastValue', 'int8', ['B', groups, 'S', width]),
    keyScales: b.input('keyScales', 'float32', [1, groups, 1, width]),
    valueScales: b.input('valueScales', 'float32', [1, groups, 1, width]),
  };
  const attrs = { heads, keyValueHeads: groups, scale: 0.2 };
  const lengths = [b.input('lastIndex', 'int32', ['B']), b.input('totalLength', 'int32', [1])] as const;
  const [y, key, value] = b.int8GroupQueryAttention(at(parts, 0), at(parts, 1), at(parts, 2), cache, ...lengths, attrs);
  const results = { y, key, value };
  // The tokens say how many rows and positions there are.
  return b.graph(isPacked ? { ...results, tokens: b.neg(b.input('tokens', 'float32', ['B', length])) } : results);
}

interface Step {
  readonly rows: number;
  readonly past: number;
  readonly added: number;
}

function inputsOf({ rows, past, added }: Step): Record<string, HostTensor> {
  const random = new Random(rows * 100 + added);
  const drawn = (shape: readonly number[], draw: () => number): Float32Array => Float32Array.from({ length: sizeOf(shape) }, draw);
  const normal = (...shape: number[]): HostTensor =>
    float32(
      shape,
      drawn(shape, () => random.normal()),
    );
  const cacheShape = [rows, groups, room, width];
  const codes = (): HostTensor =>
    hostTensor(
      'int8',
      cacheShape,
      Int8Array.from({ length: sizeOf(cacheShape) }, () => Math.floor(200 * random.uniform()) - 100),
    );
  // Some of what is added lies beyond the codes.
  const scales = (): HostTensor =>
    float32(
      [1, groups, 1, width],
      drawn([groups, width], () => 0.015 + 0.01 * random.uniform()),
    );
  return {
    q: normal(rows, added, heads * width),
    k: normal(rows, added, groups * width),
    v: normal(rows, added, groups * width),
    pastKey: codes(),
    pastValue: codes(),
    keyScales: scales(),
    valueScales: scales(),
    lastIndex: int32([rows], new Int32Array(rows).fill(past + added - 1)),
    totalLength: int32([1], [past + added]),
  };
}

/** q, k and v [B, T, .] as rows of all three. */
function packedInputs({ q, k, v, ...rest }: Record<string, HostTensor>): Record<string, HostTensor> {
  const parts = [q, k, v].map((part) => part ?? float32([0], []));
  const tokens = at(parts, 0).shape.slice(0, 2);
  const numRows = sizeOf(tokens);
  const sizes = parts.map(({ shape }) => at(shape, 2));
  const rows = Array.from({ length: numRows }, (_, row) =>
    parts.flatMap(({ data }, index) => Array.from(data, Number).slice(row * at(sizes, index), (row + 1) * at(sizes, index))),
  );
  const columns = sizes.reduce((sum, size) => sum + size, 0);
  return { qkv: float32([numRows, columns], Float32Array.from(rows.flat())), tokens: float32(tokens, new Float32Array(numRows)), ...rest };
}

async function runInPlace(engine: Engine, graph: Graph, inputs: Record<string, HostTensor>): Promise<readonly number[][]> {
  const program = await engine.compile(graph, { name: 'attention' });
  const pastKey = engine.upload(inputs['pastKey'] ?? float32([0], []));
  const pastValue = engine.upload(inputs['pastValue'] ?? float32([0], []));
  const results = await program.run({ ...inputs, pastKey, pastValue }, { outputs: { key: pastKey, value: pastValue } });
  const read = [results['y']?.read(), pastKey.read(), pastValue.read()].map((tensor) => Array.from(tensor?.data ?? [], Number));
  for (const buffer of [pastKey, pastValue, results['y'], results['tokens']]) buffer?.release();
  await program.release();
  return read;
}

const furthest = (left: readonly number[], right: readonly number[]): number =>
  left.reduce((most, value, index) => Math.max(most, Math.abs(value - (right[index] ?? Number.NaN))), 0);

describe('attention over a cache of 8-bit codes', () => {
  let onnx: Engine;
  let reference: Engine;
  beforeAll(async () => {
    onnx = await createOnnxEngine();
    reference = createReferenceEngine();
  });
  afterAll(async () => {
    await onnx.dispose();
    await reference.dispose();
  });

  const steps: readonly [string, Step][] = [
    ['one token of every row', { rows: 3, past: 10, added: 1 }],
    ['a few tokens behind a past', { rows: 1, past: 20, added: 5 }],
    ['prompts of several rows', { rows: 3, past: 0, added: 20 }],
    ['a long piece behind a past', { rows: 1, past: 25, added: 30 }],
    ['a piece up to the end of the room', { rows: 1, past: 40, added: 24 }],
  ];
  const cases = steps.flatMap(([what, step]) =>
    (['a symbol', 'a number'] as const).flatMap((kind) =>
      [false, true].map((isPacked) => [`${what}, the length ${kind}${isPacked ? ', packed' : ''}`, step, kind, isPacked] as const),
    ),
  );
  it.each(cases)('%s', async (_, step, kind, isPacked) => {
    const inputs = inputsOf(step);
    const graph = attentionGraph(kind === 'a number' ? step.added : 'T', isPacked);
    const given = isPacked ? packedInputs(inputs) : { ...inputs };
    const actual = await runInPlace(onnx, graph, given);
    const expected = await runInPlace(reference, graph, given);
    // A tie may fall either way; the rest of the cache must be as it was.
    for (const index of [1, 2]) expect(furthest(at(actual, index), at(expected, index))).toBeLessThanOrEqual(1);
    const differing = [1, 2].flatMap((index) => at(actual, index).filter((code, place) => code !== at(expected, index)[place]));
    expect(differing.length).toBeLessThanOrEqual(2);
    // In long pieces what is added reads itself before it is rounded, and before it is cut off.
    expect(furthest(at(actual, 0), at(expected, 0))).toBeLessThan(step.added > 16 ? 0.5 : 1e-3);
  });

  it('reads what is added as it is, and the past as its codes, in a long piece', async () => {
    const step = { rows: 1, past: 25, added: 30 };
    const inputs = inputsOf(step);
    const [actual] = await runInPlace(onnx, attentionGraph('T', false), inputs);
    const decoded = (codes: HostTensor | undefined, scales: HostTensor | undefined): HostTensor =>
      float32(
        codes?.shape ?? [],
        Array.from(codes?.data ?? [], Number).map((code, index) => {
          const channel = (Math.floor(index / (room * width)) % groups) * width + (index % width);
          return code * Number(scales?.data[channel] ?? 0);
        }),
      );
    const b = new GraphBuilder('attention');
    const input = (name: string): ReturnType<typeof b.input> => {
      const tensor = inputs[name] ?? float32([0], []);
      return b.input(name, name.startsWith('past') ? 'float32' : tensor.dtype, tensor.shape);
    };
    const [y, key, value] = b.groupQueryAttention(
      input('q'),
      input('k'),
      input('v'),
      input('pastKey'),
      input('pastValue'),
      input('lastIndex'),
      input('totalLength'),
      { heads, keyValueHeads: groups, scale: 0.2 },
    );
    const floats = {
      ...inputs,
      pastKey: decoded(inputs['pastKey'], inputs['keyScales']),
      pastValue: decoded(inputs['pastValue'], inputs['valueScales']),
    };
    const { keyScales: _keys, valueScales: _values, ...given } = floats as Record<string, HostTensor>;
    const [expected] = await runInPlace(reference, b.graph({ y, key, value }), given);
    expect(furthest(actual ?? [], expected ?? [])).toBeLessThan(1e-4);
  });
});

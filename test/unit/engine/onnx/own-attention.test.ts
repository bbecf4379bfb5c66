// The engine's own kernels for attention over a cache, of floats and of codes, against the definition.
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateOnHost } from '#engine/reference';
import { type Graph, GraphBuilder } from '#graph';
import { type Dim, float32, type HostTensor, hostTensor, int32, sizeOf, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { missingKernels } from '#test/own-kernels';
import { lowerGraph } from '../../../../src/engine/onnx/lower.ts';

interface Step {
  readonly heads: number;
  readonly groups: number;
  readonly width: number;
  readonly room: number;
  /** Positions of each row before the new ones. */
  readonly past: readonly number[];
  readonly added: number;
  /** Positions that a query sees. */
  readonly window?: number;
}

const names = { float32: 'CachedAttention', int8: 'Int8CachedAttention' } as const;
type Kind = keyof typeof names;

function attentionGraph({ heads, groups, width, window }: Step, kind: Kind, T: Dim, more: object = {}): Graph {
  const b = new GraphBuilder('attention');
  const [q, k, v] = [
    b.input('q', 'float32', ['B', T, heads * width]),
    b.input('k', 'float32', ['B', T, groups * width]),
    b.input('v', 'float32', ['B', T, groups * width]),
  ];
  const past = [b.input('pastKey', kind, ['B', groups, 'S', width]), b.input('pastValue', kind, ['B', groups, 'S', width])] as const;
  const lengths = [b.input('lastIndex', 'int32', ['B']), b.input('totalLength', 'int32', [1])] as const;
  const attrs = { heads, keyValueHeads: groups, scale: 1 / Math.sqrt(width), ...(window === undefined ? {} : { window }), ...more };
  const results =
    kind === 'float32'
      ? b.groupQueryAttention(q, k, v, past[0], past[1], ...lengths, attrs)
      : b.int8GroupQueryAttention(
          q,
          k,
          v,
          {
            pastKey: past[0],
            pastValue: past[1],
            keyScales: b.input('keyScales', 'float32', [1, groups, 1, width]),
            valueScales: b.input('valueScales', 'float32', [1, groups, 1, width]),
          },
          ...lengths,
          attrs,
        );
  return b.graph({ y: results[0], key: results[1], value: results[2] });
}

function inputsOf({ heads, groups, width, room, past, added }: Step, kind: Kind): Record<string, HostTensor> {
  const random = new Random(heads * width + added);
  const floats = (shape: readonly number[], draw = () => random.normal()): HostTensor =>
    float32(shape, Float32Array.from({ length: sizeOf(shape) }, draw));
  const B = past.length;
  const cacheShape = [B, groups, room, width];
  const cache = (): HostTensor =>
    kind === 'float32'
      ? floats(cacheShape)
      : hostTensor(
          'int8',
          cacheShape,
          Int8Array.from({ length: sizeOf(cacheShape) }, () => random.integer(255) - 127),
        );
  const scales = (): HostTensor => floats([1, groups, 1, width], () => 0.01 + 0.01 * random.uniform());
  return {
    q: floats([B, added, heads * width]),
    k: floats([B, added, groups * width]),
    v: floats([B, added, groups * width]),
    pastKey: cache(),
    pastValue: cache(),
    lastIndex: int32(
      [B],
      past.map((length) => length + added - 1),
    ),
    totalLength: int32([1], [Math.max(...past) + added]),
    ...(kind === 'int8' ? { keyScales: scales(), valueScales: scales() } : {}),
  };
}

const base = { heads: 4, groups: 2, width: 64, room: 200 };
const steps: readonly Step[] = [
  ...[16, 32, 48, 64, 80, 96, 112, 128].map((width) => ({ ...base, width, past: [5, 70], added: 1 })),
  // Around the edges of chunks of 64 positions.
  ...[0, 1, 15, 62, 63, 64, 126, 127, 128, 199].map((length) => ({ ...base, past: [length], added: 1 })),
  { ...base, groups: 4, past: [3, 0, 150, 64, 63, 9, 1], added: 1 },
  { ...base, heads: 8, groups: 1, past: [40, 77], added: 5 },
  { ...base, past: [0, 0], added: 7 },
  { ...base, past: [30], added: 16 },
  ...[1, 5, 64, 100, 500].map((window) => ({ ...base, past: [70, 3], added: 2, window })),
];
const cases = (['float32', 'int8'] as const).flatMap((kind) => steps.map((step) => ({ kind, ...step })));

describe('own kernels for attention over a cache', async () => {
  const engine = await createOnnxEngine({ device: 'cpu', kernels: 'own' });
  afterAll(() => engine.dispose());
  beforeEach((context) => {
    if (missingKernels !== undefined) context.skip(missingKernels);
  });

  it.each(cases)('$kind: $heads heads of $width over $groups, $added behind $past, window $window', async ({ kind, ...step }) => {
    const inputs = inputsOf(step, kind);
    const graph = attentionGraph(step, kind, 'T');
    const program = await engine.compile(graph, { name: 'attention' });
    const results = await program.run(inputs);
    const expected = await evaluateOnHost(graph, inputs);
    for (const name of ['key', 'value'])
      expectAllClose(toNumbers(results[name]!.read()), expected[name]!.data, { what: name, relative: 1e-6 });
    expectAllClose(toNumbers(results['y']!.read()), expected['y']!.data, { what: 'y', absolute: 2e-6, relative: 1e-5 });
    await program.release();
  });

  it.each(['float32', 'int8'] as const)('writes a cache of %s that is bound in place, and leaves the rest of it alone', async (kind) => {
    const step = { ...base, past: [12, 3], added: 2 };
    const inputs = inputsOf(step, kind);
    const graph = attentionGraph(step, kind, 'T');
    const program = await engine.compile(graph, { name: 'in place' });
    const [pastKey, pastValue] = [engine.upload(inputs['pastKey']!), engine.upload(inputs['pastValue']!)];
    const { y } = await program.run({ ...inputs, pastKey, pastValue }, { outputs: { key: pastKey, value: pastValue } });
    const expected = await evaluateOnHost(graph, inputs);
    expectAllClose(toNumbers(pastKey.read()), expected['key']!.data, { relative: 1e-6 });
    expectAllClose(toNumbers(pastValue.read()), expected['value']!.data, { relative: 1e-6 });
    expectAllClose(toNumbers(y!.read()), expected['y']!.data, { absolute: 2e-6, relative: 1e-5 });
    for (const buffer of [pastKey, pastValue]) buffer.release();
    await program.release();
  });

  it('stays within the cache where lengths say otherwise', async () => {
    const step = { ...base, room: 8, past: [2], added: 1 };
    const graph = attentionGraph(step, 'float32', 'T');
    const program = await engine.compile(graph, { name: 'beyond' });
    for (const last of [8, 9, 100_000, 2 ** 31 - 1, -2]) {
      const inputs: Record<string, HostTensor> = { ...inputsOf(step, 'float32'), lastIndex: int32([1], [last]) };
      const { key, y } = await program.run(inputs);
      expect([...toNumbers(key!.read())]).toEqual([...toNumbers(inputs['pastKey']!)]);
      expect([...toNumbers(y!.read())].every(Number.isFinite)).toBe(true);
    }
    await program.release();
  });

  it('keeps scores apart that are far from each other', async () => {
    const step = { ...base, heads: 1, groups: 1, width: 16, past: [100], added: 1 };
    const inputs = inputsOf(step, 'float32');
    const loud = { ...inputs, q: float32([1, 1, 16], new Float32Array(16).fill(60)) };
    const graph = attentionGraph(step, 'float32', 'T');
    const program = await engine.compile(graph, { name: 'loud' });
    const { y } = await program.run(loud);
    expectAllClose(toNumbers(y!.read()), (await evaluateOnHost(graph, loud))['y']!.data, { absolute: 1e-4, relative: 1e-4 });
    await program.release();
  });

  it('leaves bounded scores and heads of other sizes to the runtime', () => {
    const operators = (step: Step, more: object = {}): readonly string[] =>
      lowerGraph(attentionGraph(step, 'float32', 1, more), {
        name: 'attention',
        frozen: new Map(),
        portable: false,
        ownKernels: true,
      }).nodes.map(({ opType }) => opType);
    const step = { ...base, past: [1], added: 1 };
    expect(operators(step)).toContain(names.float32);
    expect(operators(step, { softCap: 4 })).toEqual(['GroupQueryAttention']);
    expect(operators({ ...step, width: 24 })).toEqual(['GroupQueryAttention']);
  });
});

// Cached attention on the runtime against the reference engine, in every use that serving makes of it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { type Graph, GraphBuilder, type GroupQueryAttentionAttrs } from '#graph';
import { float32, type HostTensor, int32, sizeOf } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { toleranceFor } from '#test/tolerances';

const [heads, groups, width, room] = [4, 2, 8, 10];

function attentionGraph(attrs: Partial<GroupQueryAttentionAttrs> = {}): Graph {
  const b = new GraphBuilder('attention');
  const [y, key, value] = b.groupQueryAttention(
    b.input('q', 'float32', ['B', 'T', heads * width]),
    b.input('k', 'float32', ['B', 'T', groups * width]),
    b.input('v', 'float32', ['B', 'T', groups * width]),
    b.input('pastKey', 'float32', ['B', groups, room, width]),
    b.input('pastValue', 'float32', ['B', groups, room, width]),
    b.input('lastIndex', 'int32', ['B']),
    b.input('totalLength', 'int32', [1]),
    { heads, keyValueHeads: groups, scale: 0.3, ...attrs },
  );
  return b.graph({ y, key, value });
}

interface Step {
  /** Length of each row after the step. */
  readonly lengths: readonly number[];
  /** New positions of every row. */
  readonly newPositions: number;
}

function stepInputs({ lengths, newPositions }: Step): Record<string, HostTensor> {
  const random = new Random(lengths.length * 100 + newPositions);
  const normal = (shape: readonly number[]): HostTensor =>
    float32(
      shape,
      Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
    );
  const batch = lengths.length;
  return {
    q: normal([batch, newPositions, heads * width]),
    k: normal([batch, newPositions, groups * width]),
    v: normal([batch, newPositions, groups * width]),
    pastKey: normal([batch, groups, room, width]),
    pastValue: normal([batch, groups, room, width]),
    lastIndex: int32(
      [batch],
      lengths.map((length) => length - 1),
    ),
    totalLength: int32([1], [Math.max(...lengths)]),
  };
}

async function runInPlace(
  engine: Engine,
  inputs: Record<string, HostTensor>,
  attrs: Partial<GroupQueryAttentionAttrs> = {},
): Promise<[HostTensor, HostTensor, HostTensor]> {
  const program = await engine.compile(attentionGraph(attrs), { name: 'attention' });
  const pastKey = engine.upload(inputs['pastKey'] ?? float32([], [0]));
  const pastValue = engine.upload(inputs['pastValue'] ?? float32([], [0]));
  const results = await program.run({ ...inputs, pastKey, pastValue }, { outputs: { key: pastKey, value: pastValue } });
  const attended = results['y']?.read() ?? float32([], [0]);
  return [attended, pastKey.read(), pastValue.read()];
}

describe('grouped-query attention over a cache', () => {
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
    ['decodes rows of different lengths', { lengths: [3, 9, 1, 6], newPositions: 1 }],
    ['decodes one row', { lengths: [10], newPositions: 1 }],
    ['takes prompts of one length', { lengths: [5, 5, 5], newPositions: 5 }],
    ['takes a prompt behind a past, one row at a time', { lengths: [7], newPositions: 4 }],
  ];
  const variants: readonly [string, Partial<GroupQueryAttentionAttrs>][] = [
    ['', {}],
    [' through a window', { window: 3 }],
    [' through a window of one', { window: 1 }],
    [' through a window larger than the cache', { window: 40 }],
    [' with bounded scores', { softCap: 0.8, scale: 1.3 }],
    [' with bounded scores through a window', { softCap: 0.8, window: 2, scale: 1.3 }],
  ];
  const cases = variants.flatMap(([how, attrs]) => steps.map(([what, step]) => [`${what}${how}`, step, attrs] as const));
  it.each(cases)('%s', async (_, step, attrs) => {
    const inputs = stepInputs(step);
    const actual = await runInPlace(onnx, inputs, attrs);
    const expected = await runInPlace(reference, inputs, attrs);
    for (const [index, tensor] of expected.entries())
      expectAllClose(actual[index]?.data ?? [], tensor.data, {
        ...toleranceFor('float32', 'groupQueryAttention'),
        what: `result ${index}`,
      });
  });

  it('takes prompts of different lengths, padded behind', async () => {
    const step = { lengths: [5, 2, 4], newPositions: 5 };
    const inputs = stepInputs(step);
    const [actual] = await runInPlace(onnx, inputs);
    const [expected] = await runInPlace(reference, inputs);
    const rowWidth = heads * width;
    for (const [row, length] of step.lengths.entries()) {
      const start = row * step.newPositions * rowWidth;
      const part = ({ data }: HostTensor): number[] => Array.from(data, Number).slice(start, start + length * rowWidth);
      expectAllClose(part(actual), part(expected), { ...toleranceFor('float32', 'groupQueryAttention'), what: `row ${row}` });
    }
  });

  it('refuses prompts behind a past for several rows at once, which the kernel cannot do', async () => {
    const inputs = stepInputs({ lengths: [7, 5], newPositions: 3 });
    await expect(runInPlace(onnx, inputs)).rejects.toThrow(/engine_failure/);
  });
});

// One suite for every engine: each op's samples against the definition's plain evaluation in float64.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at, Random } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { definitionOf, GraphBuilder, type OpName, ops, type Sample, type TensorType } from '#graph';
import { type DType, evaluateShape, float32, type HostTensor, isFloat, narrowFloats, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { linkTimeoutMs } from '#test/linked-tensorflow';
import { fillOperand } from '#test/samples';
import { tensorflowEngine } from '#test/tensorflow';
import { toleranceFor } from '#test/tolerances';

interface EngineCase {
  readonly name: string;
  /** Or why there is none on this machine. */
  readonly create: () => Promise<Engine | { readonly missing: string }>;
  /** Cases that the engine cannot run, each with the reason. */
  readonly limits: Readonly<Record<string, string>>;
}

const engines: readonly EngineCase[] = [
  { name: 'reference', create: async () => createReferenceEngine(), limits: {} },
  {
    name: 'onnx',
    create: () => createOnnxEngine(),
    limits: {
      'erf float64': 'the runtime has Erf for float32 only',
      'gelu float64': 'built on Erf, which the runtime has for float32 only',
      'groupQueryAttention float64': 'the fused kernel is float32 only',
      'biasedGroupQueryAttention float64': 'the fused kernel is float32 only',
      'int8GroupQueryAttention float64': 'the fused kernel is float32 only',
    },
  },
  { name: 'tensorflow', create: tensorflowEngine, limits: {} },
];

const opNames = Object.keys(ops) as OpName[];

for (const { name: engineName, create, limits } of engines) {
  describe(`${engineName} engine`, () => {
    let engine: Engine;
    let missing: string | undefined;
    beforeAll(async () => {
      const made = await create();
      if ('missing' in made) missing = made.missing;
      else engine = made;
    }, linkTimeoutMs);
    beforeEach((context) => {
      if (missing !== undefined) context.skip(missing);
    });
    afterAll(() => engine?.dispose());

    it('reads and writes parts of a buffer where they lie', async () => {
      const b = new GraphBuilder();
      const doubling = await engine.compile(b.graph({ y: b.mul(b.input('x', 'float32', ['N']), 2) }));
      const whole = engine.upload(float32([2, 3], [1, 2, 3, 4, 5, 6]));
      const { bufferBytes, buffers } = engine.counters();
      const part = whole.part(1, 4);
      expect(part.shape).toEqual([4]);
      expect([...toNumbers(part.read())]).toEqual([2, 3, 4, 5]);
      await doubling.run({ x: part }, { outputs: { y: part } });
      expect([...toNumbers(whole.read())]).toEqual([1, 4, 6, 8, 10, 6]);
      expect(engine.counters().bufferBytes).toBe(bufferBytes);
      // The memory outlives the whole's release for as long as a part is held.
      whole.release();
      expect([...toNumbers(part.read())]).toEqual([4, 6, 8, 10]);
      part.release();
      expect(engine.counters().buffers).toBe(buffers - 1);
      expect(engine.counters().bufferBytes).toBe(bufferBytes - 24);
      await doubling.release();
    });

    it('reads a borrowed tensor as an uploaded one', async () => {
      const b = new GraphBuilder();
      const doubling = await engine.compile(b.graph({ y: b.mul(b.input('x', 'float32', ['N']), 2) }));
      // Of a size that has memory of its own, and of one that is copied.
      for (const size of [1000, 3]) {
        const tensor = float32(
          [size],
          Array.from({ length: size }, (_, index) => index),
        );
        const borrowed = engine.borrow(tensor);
        const { y } = await doubling.run({ x: borrowed });
        expect([...toNumbers((y as DeviceBuffer).read())]).toEqual([...tensor.data].map((value) => 2 * value));
        borrowed.release();
        y?.release();
      }
      await doubling.release();
    });

    it('gives a part the shape that is asked for', () => {
      const whole = engine.upload(float32([3, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));
      const rows = whole.part(4, 8, [2, 2, 2]);
      expect(rows.shape).toEqual([2, 2, 2]);
      expect(rows.read().shape).toEqual([2, 2, 2]);
      expect([...toNumbers(rows.read())]).toEqual([5, 6, 7, 8, 9, 10, 11, 12]);
      rows.release();
      whole.release();
    });

    it('refuses a part past the end of a buffer, or of another size than its shape', () => {
      const whole = engine.upload(float32([2, 3], [1, 2, 3, 4, 5, 6]));
      expect(() => whole.part(3, 4)).toThrow(/part 3\+4/);
      expect(() => whole.part(0, 4, [3, 2])).toThrow(/part of 4 elements is no \[3, 2\]/);
      whole.release();
    });

    // What mixed precision is made of: engines without kernels for these types compute in float32 and round.
    for (const dtype of narrowFloats)
      for (const op of ['matmul', 'reshape', 'transpose', 'gather'] as const)
        definitionOf(op).samples.forEach((sample, index) => {
          it(`${op} sample ${index} in ${dtype}`, () => checkSample(engine, op, withFloatType(sample, dtype), index));
        });

    it.each(narrowFloats)('rounds operands and results of products to %s, and adds in float32', async (dtype) => {
      const [large, kept] = dtype === 'float16' ? [2048, 2112] : [256, 320];
      const b = new GraphBuilder();
      const product = b.matmul(b.cast(b.input('x', 'float32', [1, 66]), dtype), b.cast(b.input('w', 'float32', [66, 3]), dtype));
      const program = await engine.compile(b.graph({ y: b.cast(product, 'float32') }));
      // The last number is 1 once it is rounded. Columns: a sum that is lost in 16 bits but not in 32, that number alone, and a large sum.
      const x = Float32Array.from({ length: 66 }, (_, row) => (row === 0 ? large : row === 65 ? 1 + 2 ** -12 : 1));
      const w = Float32Array.from({ length: 3 * 66 }, (_, cell) => [1, Math.floor(cell / 3) === 65 ? 1 : 0, 60][cell % 3] ?? 0);
      const { y } = await program.run({ x: float32([1, 66], x), w: float32([66, 3], w) });
      expect([...toNumbers((y as DeviceBuffer).read())]).toEqual([kept, 1, dtype === 'float16' ? Number.POSITIVE_INFINITY : 19200]);
      y?.release();
      await program.release();
    });

    for (const op of opNames) {
      const samples: readonly Sample<object>[] = definitionOf(op).samples;
      samples.forEach((sample, index) => {
        for (const dtype of ['float32', 'float64'] as const) {
          if (dtype === 'float64' && !sample.operands.some((operand) => operand.dtype === 'float32')) continue;
          const title = `${op} sample ${index}${sample.note === undefined ? '' : ` (${sample.note})`} in ${dtype}`;
          it(title, async (context) => {
            const limit = limits[`${op} ${dtype}`];
            if (limit !== undefined) context.skip(limit);
            await checkSample(engine, op, dtype === 'float32' ? sample : withFloatType(sample, 'float64'), index);
          });
        }
      });
    }
  });
}

/** The same sample with every float operand in another type. */
function withFloatType(sample: Sample<object>, dtype: DType): Sample<object> {
  return { ...sample, operands: sample.operands.map((operand) => (isFloat(operand.dtype) ? { ...operand, dtype } : operand)) };
}

/**
 * Results that are written over an operand's buffer, as these ops are meant to be used: what lies behind the new
 * positions stays only then.
 */
const inPlace: Readonly<Partial<Record<OpName, Readonly<Record<string, string>>>>> = {
  groupQueryAttention: { y1: 'x3', y2: 'x4' },
  biasedGroupQueryAttention: { y1: 'x3', y2: 'x4' },
  int8GroupQueryAttention: { y1: 'x3', y2: 'x4' },
};

async function checkSample(engine: Engine, op: OpName, sample: Sample<object>, seed: number): Promise<void> {
  const random = new Random(seed + 1);
  const operands = sample.operands.map((operand) => fillOperand(operand, random));
  const b = new GraphBuilder(op);
  const inputs = operands.map((operand, index) => b.input(`x${index}`, operand.dtype, operand.shape));
  const results = b.apply(op, inputs, sample.attrs ?? {});
  const graph = b.graph(Object.fromEntries(results.map((result, index) => [`y${index}`, result])));
  const program = await engine.compile(graph, { name: op });
  const buffers = Object.fromEntries(operands.map((operand, index) => [`x${index}`, engine.upload(operand)]));
  const bound = Object.entries(inPlace[op] ?? {}).flatMap(([result, operand]) => {
    const buffer = buffers[operand];
    return buffer === undefined ? [] : [[result, buffer] as const];
  });
  const outputs = await program.run(buffers, { outputs: Object.fromEntries(bound) });
  const expected = evaluatePlain(op, operands, sample.attrs ?? {}, at(results, 0).node.types);
  expected.forEach((tensor, index) => {
    const actual = outputs[`y${index}`]?.read();
    expect(actual?.shape).toEqual(tensor.shape);
    expect(actual?.dtype).toBe(tensor.dtype);
    if (actual === undefined) return;
    expectAllClose(toNumbers(actual), tensor.data, { ...toleranceFor(tensor.dtype, op), what: `${op} result ${index}` });
  });
  for (const buffer of [...Object.values(outputs), ...Object.values(buffers)]) buffer.release();
  await program.release();
}

interface Expected {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

function evaluatePlain(op: OpName, operands: readonly HostTensor[], attrs: object, types: readonly TensorType[]): Expected[] {
  const shapes = types.map(({ shape }) => evaluateShape(shape, new Map()));
  const plain = operands.map(({ shape, ...tensor }) => ({ shape, data: Float64Array.from(toNumbers({ shape, ...tensor })) }));
  const evaluated = definitionOf(op).evaluate(plain, attrs, shapes, types);
  const results = 'data' in evaluated ? [evaluated] : evaluated;
  return results.map(({ shape, data }, index) => ({ dtype: at(types, index).dtype, shape, data }));
}

// The update in pieces against the same update in one graph.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Random } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { adamW, buildUpdateGraph, gradientName, scalarInputName, stateName } from '#graph';
import { float32, type HostTensor, sizeOf, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
// Not part of the public face of training.
import { OptimizerStep } from '../../../src/train/optimizer-step.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine();
});
afterAll(() => engine.dispose());

// One that is cut, with a rest; one with decay off that is cut; one small.
const tensors = [
  { name: 'table', shape: [3, 100_003], decays: true },
  { name: 'gain', shape: [262_145], decays: false },
  { name: 'bias', shape: [5], decays: false },
];
const optimizer = adamW({ weightDecay: 0.1 });
const scalars = { ...optimizer.scalars(3, 0.01), gradientNorm: 7, gradientScale: 0.5 };

function contents(): Map<string, HostTensor> {
  const random = new Random(5);
  const made = (shape: readonly number[]): HostTensor =>
    float32(
      shape,
      Float32Array.from({ length: sizeOf(shape) }, () => random.uniform()),
    );
  return new Map(
    tensors.flatMap(({ name, shape }) =>
      [name, gradientName(name), ...optimizer.stateSlots.map((slot) => stateName(slot, name))].map((key) => [key, made(shape)] as const),
    ),
  );
}

function uploaded(): Record<string, DeviceBuffer> {
  return Object.fromEntries([...contents()].map(([name, tensor]) => [name, engine.upload(tensor)]));
}

it('updates large tensors in pieces as one graph updates them whole', async () => {
  const whole = await engine.compile(buildUpdateGraph(tensors, optimizer, 1, 'given'));
  const expected = uploaded();
  const scalarInputs = Object.fromEntries(Object.entries(scalars).map(([name, value]) => [scalarInputName(name), float32([], [value])]));
  const changed = Object.fromEntries(whole.outputNames.map((name) => [name, expected[name] as DeviceBuffer]));
  await whole.run({ ...expected, ...scalarInputs }, { outputs: changed });

  const step = await OptimizerStep.create(engine, tensors, optimizer, 1);
  const actual = uploaded();
  const { buffers } = engine.counters();
  await step.run(actual, scalars);
  expect(engine.counters().buffers).toBe(buffers);
  for (const name of whole.outputNames)
    expectAllClose(toNumbers((actual[name] as DeviceBuffer).read()), toNumbers((expected[name] as DeviceBuffer).read()), {
      absolute: 1e-7,
      relative: 1e-6,
    });
  await Promise.all([whole.release(), step.release()]);
  for (const buffer of [...Object.values(actual), ...Object.values(expected)]) buffer.release();
});

// Training of pruned models: what is zero stays exactly zero, everything else trains, and the student is stored as sparsely as before.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { methods } from '#compress';
import { distillModel, distillSettings } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { checkModel, keptCount, type Model, materializeParameter, parameterCounts } from '#models';
import type { TrainSettings } from '#train';
import { fingerprint, gpt2, llama, MemoryKeeper, tinyCorpus, tinyModel, tinySettings } from './tiny-training.ts';

const corpus = tinyCorpus();
const fc = 'h.0.mlp.fc.weight';

let onnx: Engine;
beforeAll(async () => {
  onnx = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterAll(() => onnx.dispose());

async function compressed(model: Model, steps: readonly [string, object][]): Promise<Model> {
  let current = model;
  for (const [name, settings] of steps)
    current = (await methods[name]!.step(settings, name).apply(current, { engine: onnx }, quietContext)).model;
  return current;
}

async function distilled(student: Model, changes: Partial<TrainSettings> = {}, engine = onnx, checkpoints?: MemoryKeeper): Promise<Model> {
  const settings = distillSettings(tinySettings({ steps: 12, ...changes }));
  const request = { student, teacher: tinyModel(llama, 2), corpus, settings, ...(checkpoints && { checkpoints }) };
  return (await distillModel(request, engine, quietContext)).model;
}

/** Where the dense weights of a model are zero, by path. */
function zeroPlaces(model: Model): string[] {
  return [...model.parameters.values()].flatMap((parameter) =>
    Object.entries(parameter.tensors).flatMap(([key, { data }]) =>
      key.endsWith('.mask') ? [`${parameter.path}.${key} ${Buffer.from(data.buffer).toString('hex')}`] : [],
    ),
  );
}

describe('a pruned student', () => {
  const cases: [string, Model, [string, object][], Partial<TrainSettings>][] = [
    ['half of the weights, AdamW with decay', tinyModel(gpt2), [['prune', { sparsity: 0.5 }]], {}],
    ['2:4 of a llama, two micro-batches', tinyModel(llama), [['prune', { pattern: '2:4' }]], { gradientAccumulation: 2 }],
    [
      'SGD with momentum and decay',
      tinyModel(gpt2),
      [['prune', { sparsity: 0.5, include: ['*'] }]],
      { optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 0.1 } },
    ],
    [
      'low-rank factors',
      tinyModel(gpt2),
      [
        ['lowRank', { rank: 4 }],
        ['prune', { sparsity: 0.5 }],
      ],
      {},
    ],
    [
      'Kronecker factors',
      tinyModel(gpt2),
      [
        ['kronecker', { ratio: 0.5 }],
        ['prune', { sparsity: 0.25 }],
      ],
      {},
    ],
  ];
  it.each(cases)('keeps its zeros and trains the rest: %s', async (_, model, steps, settings) => {
    const student = await compressed(model, steps);
    const after = await distilled(student, settings);
    checkModel(after);
    expect(zeroPlaces(student).length).toBeGreaterThan(0);
    expect(zeroPlaces(after)).toEqual(zeroPlaces(student));
    expect(parameterCounts(after)).toEqual(parameterCounts(student));
    for (const [path, parameter] of student.parameters)
      for (const [key, tensor] of Object.entries(parameter.tensors)) {
        if (!key.endsWith('.values')) continue;
        const trained = after.parameters.get(path)!.tensors[key]!;
        expect(trained.dtype).toBe(tensor.dtype);
        // Rows of embeddings whose token never comes have no gradient of their own, but every matrix trains somewhere.
        expect([...trained.data].some((value, index) => value !== tensor.data[index])).toBe(true);
      }
  });

  it('has as many zeros after training as before, in the dense weight that it stands for', async () => {
    const student = await compressed(tinyModel(gpt2), [['prune', { sparsity: 0.75 }]]);
    const count = (model: Model): number => materializeParameter(model, fc).data.filter((value) => value === 0).length;
    expect(count(student)).toBe(96);
    const checkpoints = new MemoryKeeper();
    const after = await distilled(student, { checkpointEvery: 8 }, onnx, checkpoints);
    // On the device too: what is stored at the end would be cut to the mask in any case.
    const whole = checkpoints.saved[0]!.tensors.get(fc)!;
    expect(whole.shape).toEqual([8, 16]);
    expect([...whole.data].filter((value) => value === 0).length).toBe(96);
    expect(count(after)).toBe(96);
    expect(keptCount(after.parameters.get(fc)!, 'value')).toBe(32);
  });

  it('trains the same on the reference engine, and goes on from a checkpoint bit for bit', async () => {
    const student = await compressed(tinyModel(gpt2), [['prune', { sparsity: 0.5 }]]);
    const reference = createReferenceEngine();
    const changes = { steps: 3 };
    const [onOnnx, onReference] = [await distilled(student, changes), await distilled(student, changes, reference)];
    expect(zeroPlaces(onReference)).toEqual(zeroPlaces(student));
    const [first, second] = [onOnnx, onReference].map((model) => materializeParameter(model, fc).data);
    expect(Math.max(...first!.map((value, index) => Math.abs(value - second![index]!)))).toBeLessThan(1e-3);
    expect(reference.counters()).toMatchObject({ buffers: 0, programs: 0 });
    const checkpoints = new MemoryKeeper();
    const straight = await distilled(student, { checkpointEvery: 8 }, onnx, checkpoints);
    expect(checkpoints.saved.length).toBe(1);
    expect(fingerprint(await distilled(student, { checkpointEvery: 8 }, onnx, checkpoints))).toBe(fingerprint(straight));
  });

  it('lets a kept weight pass through zero and train on', async () => {
    // A kept zero is a number like others: the mask, not the value, says what trains.
    const model = tinyModel(gpt2);
    const student = await compressed(model, [['prune', { sparsity: 0.5 }]]);
    const parameter = student.parameters.get(fc)!;
    const values = parameter.tensors['value.values']!;
    const zeroed = { ...values, data: new Float32Array(values.data.length) };
    const parameters = new Map(student.parameters).set(fc, { ...parameter, tensors: { ...parameter.tensors, 'value.values': zeroed } });
    const after = await distilled({ ...student, parameters });
    expect([...after.parameters.get(fc)!.tensors['value.values']!.data].every((value) => value !== 0)).toBe(true);
  });
});

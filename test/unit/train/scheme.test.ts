// Training schemes: what they change computes so, what they hold trains beside the student, and a run that goes on draws the same.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { storedTensors } from '#models';
import { float32, toNumbers } from '#tensor';
import { combineSchemes, crossEntropyObjective, type TrainingScheme, type TrainRequest, trainModel } from '#train';
import { fingerprint, gpt2, MemoryKeeper, tinyCorpus, tinyModel, tinySettings } from './tiny-training.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
});
afterEach(() => {
  expect(engine.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => engine.dispose());

const corpus = tinyCorpus();
const objective = crossEntropyObjective();
const train = (scheme: TrainingScheme, changes: Partial<TrainRequest> = {}) =>
  trainModel({ model: tinyModel(gpt2), objective, corpus, settings: tinySettings({ steps: 6 }), scheme, ...changes }, engine, quietContext);

/** A gain for each of two layers' results, which a step may leave out by its variant. */
const gains: TrainingScheme = {
  name: 'gains',
  tensors: [0, 1].map((layer) => ({ name: `gain.${layer}`, initial: float32([], [1]), learningRateFactor: 10 })),
  widestVariants: ['01'],
  network: ({ b, tensor, variant }) => ({
    tapped: (name, value) => {
      const layer = /^h\.(\d)$/.exec(name)?.[1];
      return layer === undefined || !variant.includes(layer) ? value : b.mul(value, tensor(`gain.${layer}`));
    },
  }),
  step: (step) => ({ inputs: {}, variant: ['01', '0', ''][step % 3] ?? '' }),
};

/** A loss that wants one of its tensors down and the other, which climbs, up; both read a value that the host sets. */
const climber: TrainingScheme = {
  name: 'climber',
  tensors: [
    { name: 'down', initial: float32([2], [1, 1]) },
    { name: 'up', initial: float32([2], [1, 1]), ascends: true },
  ],
  loss: ({ b }, { loss, metrics }, { tensor, input }) => {
    const pull = b.mul(b.reduceSum(b.add(tensor('down'), tensor('up')), [0]), input('pull', 'float32', []));
    return { loss: b.add(loss, pull), metrics: { ...metrics, pull } };
  },
  step: (step) => ({ inputs: { pull: float32([], [step]) } }),
};

describe('a training scheme', () => {
  it('trains its tensors beside the student, by their own rate and direction', async () => {
    const { schemeTensors, model } = await train(climber);
    const [down, up] = ['down', 'up'].map((name) => toNumbers(schemeTensors.get(name)!));
    for (const index of [0, 1]) {
      expect(down![index]).toBeLessThan(1);
      expect(up![index]).toBeCloseTo(2 - down![index]!, 3); // gradients are clipped by group
    }
    expect(fingerprint(model)).not.toBe(fingerprint(tinyModel(gpt2)));
  });

  it('is told the figures of every step and may read its tensors', async () => {
    const seen: [number, number, number][] = [];
    await train({
      ...climber,
      observe: (step, metrics, tensors) =>
        void seen.push([step, metrics['pull'] ?? Number.NaN, toNumbers(tensors('down'))[0] ?? Number.NaN]),
    });
    expect(seen.map(([step]) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(seen[0]?.[1]).toBeCloseTo(4, 6); // the sum of four ones, times the first step
    for (const [index, [, , down]] of seen.entries()) expect(down).toBeLessThan(seen[index - 1]?.[2] ?? 1);
  });

  it('runs a graph a variant; tensors that it does not read get no gradient', async () => {
    const { schemeTensors } = await train({ ...gains, step: () => ({ inputs: {}, variant: '0' }) });
    expect(toNumbers(schemeTensors.get('gain.0')!)[0]).not.toBe(1);
    expect(toNumbers(schemeTensors.get('gain.1')!)[0]).toBe(1);
  });

  it('sees stored tensors and linear layers through its changes', async () => {
    const doubled: TrainingScheme = {
      name: 'doubled',
      network: ({ b }) => ({
        stored: (name, value) => (name.startsWith('h.0.mlp.fc.weight') ? b.mul(value, 2) : value),
        linear: (path, x, plain) => (path === 'h.0.mlp.fc.weight' ? b.mul(plain(x), 0.5) : plain(x)),
      }),
    };
    const changed = await train(doubled, { trains: (path) => path === 'h.1.mlp.proj.bias' });
    const plain = await train({ name: 'none' }, { trains: (path) => path === 'h.1.mlp.proj.bias' });
    expect(changed.finalLoss).toBeCloseTo(plain.finalLoss, 6);
    const halved = await train(
      { ...doubled, network: (scheme) => ({ stored: doubled.network!(scheme).stored! }) },
      { trains: () => false },
    );
    expect(Math.abs(halved.finalLoss - plain.finalLoss)).toBeGreaterThan(1e-6);
  });

  it.each([0, 1])('goes on exactly after step %i of each cycle of variants, with what it remembers', async (offset) => {
    const counted = (): TrainingScheme => {
      let steps = 0;
      return {
        ...combineSchemes([gains, climber])!,
        observe: () => void steps++,
        save: () => steps,
        restore: (saved) => {
          steps = saved as number;
        },
        step: (step) => {
          expect(steps).toBe(step - 1);
          return combineSchemes([gains, climber])!.step!(step);
        },
      };
    };
    const straight = await train(counted());
    const keeper = new MemoryKeeper();
    const stop = new AbortController();
    const settings = tinySettings({ steps: 6, checkpointEvery: 1 });
    const stopping = trainModel(
      {
        model: tinyModel(gpt2),
        objective,
        corpus,
        settings,
        scheme: counted(),
        checkpoints: keeper,
        afterStep: async (step) => {
          if (step === 2 + offset) stop.abort();
        },
      },
      engine,
      { ...quietContext, signal: stop.signal },
    );
    await expect(stopping).rejects.toMatchObject({ code: 'cancelled' });
    const resumed = await train(counted(), { settings, checkpoints: keeper });
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
    expect([...resumed.schemeTensors].map(([, tensor]) => [...tensor.data])).toEqual(
      [...straight.schemeTensors].map(([, tensor]) => [...tensor.data]),
    );
    expect(storedTensors(resumed.model).size).toBe(storedTensors(tinyModel(gpt2)).size);
  });
});

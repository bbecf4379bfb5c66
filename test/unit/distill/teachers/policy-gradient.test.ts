// Policy gradients of reverse KL: the expected gradient is the exact one, draws that the teacher helps with are made up for, and runs go on exactly.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { distillOnPolicy, distillSettings, lossesOnSamples, onPolicySettings, shortForm } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { GraphBuilder, gradients } from '#graph';
import { buildLogitsGraph, type Model, modelInputs } from '#models';
import { float32, int64, toNumbers } from '#tensor';
import { policyGradientLoss } from '../../../../src/distill/losses/policy-gradient.ts';
import { fingerprint, gpt2, llama, MemoryKeeper, tinyCorpus, tinyModel, tinySettings, watch } from '../../train/tiny-training.ts';
import { type MeasuredLosses, measureLosses } from '../losses/measured-losses.ts';

const V = 5;
const small = tinyModel({ ...gpt2, vocabularySize: V, layers: 1, endTokens: [] }, 1);
const taught = tinyModel({ ...gpt2, vocabularySize: V, layers: 1, endTokens: [] }, 2);
const prompt = [3, 1];

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterEach(() => {
  expect(engine.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => engine.dispose());

/** Probabilities of the token behind some, softened. */
async function next(model: Model, tokens: readonly number[], temperature = 1): Promise<number[]> {
  const reference = createReferenceEngine();
  const program = await reference.compile(buildLogitsGraph(model, { batch: 1, length: tokens.length }));
  const { logits } = await program.run({ ...Object.fromEntries(modelInputs(model)), tokens: int64([1, tokens.length], tokens) });
  const weights = Array.from(toNumbers(logits!.read()).slice(-V), (value) => Math.exp(Number(value) / temperature));
  logits!.release();
  await program.release();
  const total = weights.reduce((sum, value) => sum + value, 0);
  return weights.map((value) => value / total);
}

/** Loss and gradients on one sample behind the prompt. */
function onSample(drawn: readonly number[], policy: { teacherShare: number; temperature: number }): Promise<MeasuredLosses> {
  const whole = [...prompt, ...drawn];
  const length = whole.length - 1;
  const tensors = {
    tokens: int64([1, length], whole.slice(0, -1)),
    labels: int64([1, length], whole.slice(1)),
    writtenTokens: float32(
      [1, length],
      whole.slice(1).map((_, index) => (index + 1 < prompt.length ? 0 : 1)),
    ),
  };
  const written = [{ kind: 'labels', weight: 0 }, { kind: 'logits' }];
  const losses = lossesOnSamples(shortForm({ temperature: 1, alpha: 1 }));
  return measureLosses(small, taught, written, { tensors, batch: 1, length }, { samples: { losses, policy, isOwn: () => true } });
}

describe('the gradient', () => {
  it('is in expectation that of the reverse KL of whole samples', async () => {
    const plain = { teacherShare: 0, temperature: 1 };
    const found = new Map<string, Float64Array>();
    const add = (chance: number, gradients: MeasuredLosses['gradients']): void => {
      for (const [name, values] of Object.entries(gradients)) {
        const sum = found.get(name) ?? new Float64Array(values.length);
        values.forEach((value, index) => {
          // Two tokens: the loss is their mean.
          sum[index]! += 2 * chance * value;
        });
        found.set(name, sum);
      }
    };
    const first = await next(small, prompt);
    for (let one = 0; one < V; one++) {
      const second = await next(small, [...prompt, one]);
      for (let two = 0; two < V; two++) add(first[one]! * second[two]!, (await onSample([one, two], plain)).gradients);
    }
    /** KL(student || teacher) of all samples of two tokens, at weights that are moved along the gradient. */
    const divergence = async (step: number): Promise<number> => {
      const parameters = [...small.parameters.values()].map((parameter) => {
        const tensors = Object.entries(parameter.tensors).map(([slot, tensor]) => {
          const gradient = found.get(parameter.path) ?? found.get(`${parameter.path}.${slot}`);
          if (gradient === undefined) return [slot, tensor] as const;
          const moved = Float32Array.from(toNumbers(tensor), (value, index) => Number(value) + step * gradient[index]!);
          return [slot, float32(tensor.shape, moved)] as const;
        });
        return [parameter.path, { ...parameter, tensors: Object.fromEntries(tensors) }] as const;
      });
      const moved: Model = { ...small, parameters: new Map(parameters) };
      const of = async (tokens: readonly number[]) => [await next(moved, tokens), await next(taught, tokens)] as const;
      const kl = ([q, t]: readonly [number[], number[]]): number => q.reduce((sum, value, id) => sum + value * Math.log(value / t[id]!), 0);
      const start = await of(prompt);
      let total = kl(start);
      for (let one = 0; one < V; one++) total += start[0][one]! * kl(await of([...prompt, one]));
      return total;
    };
    const slope = [...found.values()].flatMap((values) => Array.from(values)).reduce((sum, value) => sum + value ** 2, 0);
    expect(slope).toBeGreaterThan(1e-3);
    const step = 2e-3 / Math.sqrt(slope);
    expect(((await divergence(step)) - (await divergence(-step))) / (2 * step * slope)).toBeCloseTo(1, 3);
  });

  it('makes up for draws of the teacher and another temperature', async () => {
    const [share, temperature] = [0.3, 0.7];
    const [q, t] = [await next(small, prompt), await next(taught, prompt)];
    const [softQ, softT] = [await next(small, prompt, temperature), await next(taught, prompt, temperature)];
    const exact = q.reduce((sum, value, id) => sum + value * Math.log(value / t[id]!), 0);
    let expected = 0;
    for (let drawn = 0; drawn < V; drawn++) {
      const chance = share * softT[drawn]! + (1 - share) * softQ[drawn]!;
      const { loss } = await onSample([drawn], { teacherShare: share, temperature });
      expect(loss).toBeCloseTo((q[drawn]! / chance) * exact, 5);
      expected += chance * loss;
    }
    expect(expected).toBeCloseTo(exact, 5);
  });

  it('gives a token the mean reward of those behind it in its text', async () => {
    const b = new GraphBuilder();
    const input = (name: string) => b.input(name, 'float32', [6]);
    const counts = float32([2, 3], [1, 1, 1, 0, 1, 1]);
    const logStudent = input('logStudent');
    const rows = { logStudent, logTeacher: input('logTeacher'), logDrawn: input('logDrawn'), divergence: input('divergence') };
    const loss = policyGradientLoss(b, [rows], b.constant(counts));
    const [gradient] = gradients(b, loss, [logStudent]);
    const reference = createReferenceEngine();
    const program = await reference.compile(b.graph({ loss, gradient: gradient! }));
    const student = [-1, -2, -3, -9, -1, -2];
    const rewards = [9, 1, 2, 7, 9, 4];
    const results = await program.run({
      logStudent: float32([6], student),
      logTeacher: float32(
        [6],
        student.map((value, index) => value + rewards[index]!),
      ),
      logDrawn: float32(
        [6],
        student.map((value, index) => value - (index === 4 ? Math.log(2) : 0)),
      ),
      divergence: float32([6], [1, 1, 1, 100, 1, 1]),
    });
    // Means behind: 1.5, 2 and none; of the second text 4 and none, where the first of its drawn tokens counts twice.
    expect(Array.from(toNumbers(results['gradient']!.read()), Number)).toEqual(
      [-1.5 / 5, -2 / 5, 0, 0, (-4 * 2) / 5, 0].map((value) => expect.closeTo(value, 6)),
    );
    expect(Number(toNumbers(results['loss']!.read())[0])).toBeCloseTo(6 / 5, 6);
    for (const buffer of Object.values(results)) buffer.release();
    await program.release();
  });
});

describe('distillOnPolicy by policy gradient', () => {
  const student = tinyModel(gpt2, 1);
  const teacher = tinyModel(llama, 2);
  const corpus = tinyCorpus();
  const request = (steps: number, share: number, teacherShare: number) => ({
    student,
    teacher,
    corpus,
    settings: distillSettings({ ...tinySettings({ steps, batchSize: 4, learningRate: 0.01 }), temperature: 1, alpha: 0.9 }),
    onPolicy: onPolicySettings({ share, promptTokens: 3, maxNewTokens: 6, temperature: 1 }, student, 8),
    policyGradient: { teacherShare },
  });

  it('comes nearer to its teacher on what is drawn', async () => {
    const { reports, ...context } = watch();
    await distillOnPolicy(request(80, 1, 0.2), engine, context);
    const mean = (from: number, to?: number): number =>
      reports.slice(from, to).reduce((sum, { metrics }) => sum + metrics!['divergence']!, 0);
    expect(mean(-10)).toBeLessThan(0.9 * mean(0, 10));
  });

  it.each([0, 0.2])(
    'draws the same and ends with the same weights when it goes on, with a share %d of the teacher',
    async (teacherShare) => {
      const wanted = request(9, 0.6, teacherShare);
      const straight = await distillOnPolicy(wanted, engine, quietContext);
      const checkpoints = new MemoryKeeper();
      await expect(distillOnPolicy({ ...wanted, checkpoints }, engine, watch(5))).rejects.toThrow(/cancelled/);
      const resumed = await distillOnPolicy({ ...wanted, checkpoints }, engine, quietContext);
      expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
    },
  );

  it('draws other texts with the teacher than without', async () => {
    const [alone, mixed] = [
      await distillOnPolicy(request(3, 1, 0), engine, quietContext),
      await distillOnPolicy(request(3, 1, 0.9), engine, quietContext),
    ];
    expect(fingerprint(alone.model)).not.toBe(fingerprint(mixed.model));
  });
});

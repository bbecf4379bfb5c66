// Gates: what passes, what a recipe does when one does not hold, and that nothing is measured twice.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { AppError, type OperationContext, quietContext } from '#base';
import { compressModel, type HeldOut, type Measures, methods, parseRecipe, type RecipeEnvironment, type RecordMemory } from '#compress';
import { createReferenceEngine } from '#engine/reference';
import { type Model, parameterCounts, storedTensors } from '#models';
import { rawBytes } from '#tensor';
import { gateSettings } from '../../../src/compress/gate/settings.ts';
import { judge } from '../../../src/compress/gate/verdict.ts';
import { tinyModel } from './tiny-model.ts';

const engine = createReferenceEngine();
const source = tinyModel();
const wholeBytes = parameterCounts(source).storedBytes;

/** Loses as much as bytes are missing: what a recipe loses is known beforehand. */
class ByteLoss implements HeldOut {
  fits = (): boolean => true;
  readonly measured: number[] = [];

  async measure(model: Model): Promise<Measures> {
    const { storedBytes } = parameterCounts(model);
    this.measured.push(storedBytes);
    return { loss: 2 - storedBytes / wholeBytes, accuracy: storedBytes / wholeBytes };
  }

  async latencyMs(): Promise<number> {
    throw new Error('is not asked for');
  }
}

class MapRecords implements RecordMemory {
  readonly kept = new Map<string, unknown>();
  async recall(key: string): Promise<unknown> {
    return this.kept.get(key);
  }
  async remember(key: string, record: unknown): Promise<void> {
    this.kept.set(key, record);
  }
}

function run(
  steps: readonly object[],
  environment: Partial<RecipeEnvironment> = { heldOut: new ByteLoss() },
  context: OperationContext = quietContext,
): ReturnType<typeof compressModel> {
  return compressModel(source, parseRecipe({ steps }, methods), { engine, ...environment }, context);
}

function bytesOf(model: Model): string[] {
  return [...storedTensors(model)].map(([name, tensor]) => `${name} ${createHash('sha256').update(rawBytes(tensor)).digest('hex')}`);
}

const low = (ratio: number, include?: string[]): object => ({ lowRank: { ratio, ...(include === undefined ? {} : { include }) } });
const gate = (settings: object): object => ({ gate: settings });

describe('a verdict', () => {
  const verdict = (settings: object, before: number, after: number) =>
    judge(gateSettings.parse(settings), { loss: before, accuracy: before }, { loss: after, accuracy: after });

  it.each([
    ['a share of the loss before', { maxLoss: 0.1 }, 4, 4.4, 4.41],
    ['nats', { maxLoss: 0.1, relative: false }, 4, 4.1, 4.11],
    ['points of accuracy', { metric: 'accuracy', maxLoss: 0.02 }, 0.9, 0.88, 0.879],
    ['a share of the accuracy before', { metric: 'accuracy', maxLoss: 0.1, relative: true }, 0.5, 0.45, 0.449],
    ['a bound from above', { atMost: 3 }, 1, 3, 3.001],
    ['a bound from below', { metric: 'accuracy', atLeast: 0.8 }, 0.9, 0.8, 0.799],
    ['the narrower of two bounds', { maxLoss: 1, atMost: 3 }, 2, 3, 3.5],
    ['nothing that is worse', { maxLoss: 0 }, 2, 2, 2.001],
  ])('lets through %s, and no more', (_, settings, before, passes, fails) => {
    expect(verdict(settings, before, passes).held).toBe(true);
    expect(verdict(settings, before, fails).held).toBe(false);
  });

  it('never holds for what is not a number', () => {
    expect(verdict({ maxLoss: 10 }, 4, Number.NaN).held).toBe(false);
  });

  it('says which figures there are where its own is missing', () => {
    expect(() => judge(gateSettings.parse({ metric: 'bitsPerByte', atMost: 1 }), { loss: 1 }, { loss: 1 })).toThrow(
      /unsupported.*"bitsPerByte".*loss/,
    );
  });
});

describe('a recipe with gates', () => {
  it('goes on while they hold, and says what they found', async () => {
    const { model, report } = await run([low(0.9), gate({ maxLoss: 0.5 }), low(0.5), gate({ maxLoss: 0.9, against: 'previous' })]);
    const plain = await run([low(0.9), low(0.5)], {});
    expect(bytesOf(model)).toEqual(bytesOf(plain.model));
    expect(report.stop).toBeUndefined();
    expect(report.bytesAfter).toBe(plain.report.bytesAfter);
    const [, first, , second] = report.steps;
    expect(first?.gate).toMatchObject({ metric: 'loss', reference: 1, held: true });
    expect(first?.measures).toMatchObject({ loss: first?.gate?.value });
    expect(second?.gate).toMatchObject({ reference: first?.gate?.value });
    expect(second?.note).toMatch(/^loss \d.* % worse than \d.*: held$/);
  });

  it('keeps the model of the last gate that held, and drops what came after it', async () => {
    const steps = [
      low(0.9),
      gate({ maxLoss: 0.5 }),
      low(0.9, ['h.0.*']),
      low(0.3),
      gate({ maxLoss: 0.1 }),
      { quantize: { bits: 8, groupSize: 16 } },
    ];
    const { model, report } = await run(steps);
    const good = await run([low(0.9)], {});
    expect(bytesOf(model)).toEqual(bytesOf(good.model));
    expect(report.bytesAfter).toBe(good.report.bytesAfter);
    expect(report.steps.map(({ method, isDropped = false }) => [method, isDropped])).toEqual([
      ['lowRank', false],
      ['gate', false],
      ['lowRank', true],
      ['lowRank', true],
      ['gate', true],
    ]);
    expect(report.stop).toMatchObject({ step: 4, keptSteps: 2, reason: expect.stringMatching(/at most 1\.1000 passes: not held/) });
  });

  it.each([
    ['no gate held before', [low(0.3), gate({ maxLoss: 0.01 })], 1, /steps\[1\]: gate: loss .*No gate before it held/],
    [
      'it says so',
      [low(0.9), gate({ maxLoss: 0.9 }), low(0.3), gate({ maxLoss: 0.01, otherwise: 'fail' })],
      3,
      /steps\[3\].*"otherwise: keep"/,
    ],
  ])('fails where %s', async (_, steps, step, message) => {
    const failure = await run(steps).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'gate_not_met', message: expect.stringMatching(message), details: { step, metric: 'loss' } });
  });

  it('keeps the last good stage where a training after it diverges', async () => {
    const recipe = parseRecipe({ steps: [low(0.9), gate({ maxLoss: 0.5 }), low(0.5)] }, methods);
    const steps = recipe.steps.map((step, index) =>
      index < 2
        ? step
        : { ...step, apply: () => Promise.reject(new AppError('diverged', 'step 17: the loss is NaN.', { details: { step: 17 } })) },
    );
    const { model, report } = await compressModel(source, { steps }, { engine, heldOut: new ByteLoss() }, quietContext);
    expect(bytesOf(model)).toEqual(bytesOf((await run([low(0.9)], {})).model));
    expect(report.stop).toMatchObject({ step: 2, keptSteps: 2, reason: expect.stringMatching(/steps\[2\]: step 17: the loss is NaN/) });
    const alone = compressModel(source, { steps: steps.slice(2) }, { engine }, quietContext);
    await expect(alone).rejects.toMatchObject({ code: 'diverged', details: { step: 0, trainingStep: 17 } });
  });

  it('measures every stage once, also when it goes on', async () => {
    const steps = [low(0.9), gate({ maxLoss: 0.9 }), gate({ maxLoss: 0.9 }), low(0.8)];
    const [heldOut, records] = [new ByteLoss(), new MapRecords()];
    const { report } = await run(steps, { heldOut, records, measuresStages: true });
    expect(heldOut.measured).toHaveLength(3);
    expect(report.measuresBefore).toEqual({ loss: 1, accuracy: 1 });
    expect(report.steps.map(({ measures }) => measures?.['accuracy'])).toEqual([
      expect.closeTo(report.steps[0]?.measures?.['accuracy'] ?? 0),
      report.steps[0]?.measures?.['accuracy'],
      report.steps[0]?.measures?.['accuracy'],
      heldOut.measured.at(-1)! / wholeBytes,
    ]);
    const again = new ByteLoss();
    expect((await run(steps, { heldOut: again, records, measuresStages: true })).report).toEqual(report);
    expect(again.measured).toEqual([]);
  });

  it('wants data to measure on', async () => {
    await expect(run([gate({ maxLoss: 0.1 })], {})).rejects.toMatchObject({
      code: 'not_enough_samples',
      message: expect.stringMatching(/validation/),
    });
  });

  it.each([
    [{}, /steps\[0\]\.gate\.maxLoss: is missing: give maxLoss, or a bound/],
    [{ maxLos: 1 }, /maxLos: unknown field\. Did you mean "maxLoss"/],
    [{ maxLoss: -1 }, /maxLoss/],
    [{ metric: 'loss', atLeast: 3 }, /atLeast: would refuse good models, since less loss is better; give atMost/],
    [{ metric: 'accuracy', atMost: 0.3 }, /atMost: would refuse good models/],
    [{ metric: 'loss', atMost: 3, relative: true }, /relative: says how maxLoss is meant/],
    [{ metric: 'speed', maxLoss: 1 }, /metric/],
  ])('names the fault in %j', (settings, message) => {
    expect(() => parseRecipe({ steps: [gate(settings)] }, methods)).toThrow(message);
  });
});

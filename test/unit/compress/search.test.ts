// The step that searches: it makes what its best trial says, repeats nothing when it goes on, and says what it reached.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OperationContext, type Progress, quietContext } from '#base';
import { compressModel, type HeldOut, type Measures, methods, parseRecipe, type StepPlace, WindowCalibration } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { type Model, parameterCounts, storedTensors } from '#models';
import { rawBytes } from '#tensor';
import { temporaryFolder } from '#test/temporary';
import { RecipePlaces } from '../../../src/jobs/recipe-places.ts';
import { tinyModel, tinyWindows } from './tiny-model.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
});
afterAll(() => engine.dispose());

const source = tinyModel();
const wholeBytes = parameterCounts(source).storedBytes;

/** Quality by the distance of the weights; nothing is run. */
class WeightLoss implements HeldOut {
  fits = (): boolean => true;
  measured = 0;
  latencies = 0;

  async measure(model: Model): Promise<Measures> {
    this.measured++;
    const { storedBytes } = parameterCounts(model);
    return { loss: 2 + 1 - storedBytes / wholeBytes, accuracy: 0.5 };
  }

  async latencyMs(model: Model): Promise<number> {
    this.latencies++;
    return parameterCounts(model).storedBytes / 1000 + this.latencies / 1e6;
  }
}

interface RunOptions {
  readonly heldOut?: WeightLoss;
  readonly folder?: string;
  readonly context?: OperationContext;
}

function run(
  search: object,
  { heldOut = new WeightLoss(), folder, context = quietContext }: RunOptions = {},
): ReturnType<typeof compressModel> {
  const places = folder === undefined ? undefined : new RecipePlaces({ workFolder: folder, fingerprint: 'same' });
  const environment = {
    engine,
    heldOut,
    calibration: new WindowCalibration(engine, tinyWindows()),
    ...(places === undefined ? {} : { records: places.records, ofStep: (step: number): StepPlace => places.ofStep(step) }),
  };
  return compressModel(source, parseRecipe({ steps: [{ search }], seed: 3 }, methods), environment, context);
}

function bytesOf(model: Model): string[] {
  return [...storedTensors(model)].map(([name, tensor]) => `${name} ${createHash('sha256').update(rawBytes(tensor)).digest('hex')}`);
}

const candidates = [
  { name: 'large', steps: [{ lowRank: { ratio: 0.9 } }] },
  { name: 'impossible', steps: [{ lowRank: { rank: 999 } }] },
  { name: 'middle', steps: [{ lowRank: { ratio: 0.6 } }] },
  { steps: [{ prune: { structure: 'ffn', ratio: 0.5, importance: 'magnitude' } }, { quantize: { bits: 8, groupSize: 16 } }] },
];

describe('a search among candidates', () => {
  it('becomes the best that is within the target, and tells of all', async () => {
    const { model, report } = await run({ target: { ratio: 0.85 }, candidates });
    const [step] = report.steps;
    const best = await compressModel(source, parseRecipe({ steps: candidates[2]?.steps, seed: 3 }, methods), { engine }, quietContext);
    expect(bytesOf(model)).toEqual(bytesOf(best.model));
    expect(step).toMatchObject({ method: 'search', bytesBefore: wholeBytes, bytesAfter: parameterCounts(model).storedBytes });
    expect(step?.layers).toEqual(best.report.steps[0]?.layers);
    expect(step?.note).toMatch(/^"middle", the best of 4 trials: \d\d\.\d % of the bytes, loss 2\.\d{4}$/);
    expect(step?.search).toMatchObject({ chosen: 2, ended: 'exhausted' });
    expect(step?.search?.trials).toMatchObject([
      { name: 'large', meets: false, isOnFront: true },
      { name: 'impossible', meets: false, isOnFront: false, failure: expect.stringMatching(/steps\[0\]: .*rank 999/), measures: {} },
      {
        name: 'middle',
        meets: true,
        isOnFront: true,
        steps: candidates[2]?.steps,
        measures: { storedBytes: expect.any(Number), accuracy: 0.5 },
      },
      { name: 'prune, quantize', meets: true, isOnFront: true },
    ]);
  });

  it('looks for the smallest model where the loss is bounded', async () => {
    const { report } = await run({ target: { maxLoss: 0.4 }, candidates });
    const { trials = [], chosen = -1 } = report.steps[0]?.search ?? {};
    expect(trials[chosen]?.name).toBe('prune, quantize');
  });

  it('streams every trial with its figures and whether it is on the front', async () => {
    const reports: Progress[] = [];
    await run({ target: { ratio: 0.85 }, candidates }, { context: { ...quietContext, report: (progress) => reports.push(progress) } });
    const trials = reports.filter(({ phase, metrics }) => phase === 'search' && metrics?.['onFront'] !== undefined);
    expect(trials.map(({ step, total, item }) => [step, total, item?.split(':')[0]])).toEqual([
      [1, 20, 'large'],
      [2, 20, 'impossible'],
      [3, 20, 'middle'],
      [4, 20, 'prune, quantize'],
    ]);
    expect(trials[2]?.metrics).toMatchObject({ meetsTarget: 1, onFront: 1, storedBytes: trials[2]?.metrics?.['bestStoredBytes'] });
    expect(trials[3]?.metrics?.['bestLoss']).toBe(trials[2]?.metrics?.['loss']);
    expect(reports.some(({ phase, item }) => phase === 'search' && item?.startsWith('large: low rank h.0.'))).toBe(true);
    expect(reports.every(({ phase }) => phase === 'search' || phase === 'measure')).toBe(true);
  });

  it('gives up a candidate whose own gate does not hold', async () => {
    const gated = { name: 'gated', steps: [{ lowRank: { ratio: 0.3 } }, { gate: { maxLoss: 0.001 } }] };
    const { report } = await run({ target: { ratio: 0.85 }, candidates: [gated, ...candidates] });
    expect(report.steps[0]?.search?.trials[0]).toMatchObject({ name: 'gated', failure: expect.stringMatching(/gate_not_met.*steps\[1\]/) });
  });

  it('ends with its budget of trials, or of minutes', async () => {
    const some = await run({ target: { ratio: 0.95 }, candidates, budget: { trials: 1 } });
    expect(some.report.steps[0]?.search).toMatchObject({ ended: 'trials', trials: [{ name: 'large' }] });
    const short = await run({ target: { ratio: 0.95 }, candidates, budget: { trials: 9, minutes: 1e-9 } });
    expect(short.report.steps[0]?.search).toMatchObject({ ended: 'minutes', trials: [{ name: 'large' }] });
  });

  it('says what it reached where the target is out of reach', async () => {
    const failure = await run({ target: { storedBytes: 100 }, candidates }).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'target_not_reached',
      message: expect.stringMatching(
        /steps\[0\]: search: storedBytes at most 100 is wanted, and the nearest of 4 trials is "prune, quantize" with \d+ stored bytes/,
      ),
      details: { step: 0, nearest: 'prune, quantize' },
    });
  });

  it('leaves a model as it is that is within the target already', async () => {
    const { model, report } = await run({ target: { storedBytes: 10_000_000 }, candidates });
    expect(model).toBe(source);
    expect(report.steps[0]).toMatchObject({ note: expect.stringMatching(/within the target already/), search: { trials: [] } });
  });

  it.each([
    [{ candidates }, /steps\[0\]\.search\.target/],
    [{ target: {} }, /search\.target: must hold at least one of storedBytes/],
    [{ target: { ratio: 0.5, storedBytes: 5 } }, /search\.target\.ratio: says the same as storedBytes/],
    [{ target: { ratio: 1.5 } }, /search\.target\.ratio/],
    [{ target: { ratio: 0.5 }, budget: { trials: 0 } }, /search\.budget\.trials/],
    [{ target: { ratio: 0.5 }, candidates: [] }, /search\.candidates/],
    [
      { target: { ratio: 0.5 }, candidates: [candidates[0], { steps: [{ lowRank: { ratoi: 1 } }] }] },
      /candidates\[1\]\.steps\[0\]\.lowRank\.ratoi.*"ratio"/,
    ],
    [
      { target: { ratio: 0.5 }, candidates: [{ steps: [{ search: { target: { ratio: 0.5 } } }] }] },
      /candidates\[0\]\.steps\[0\]\.search: unknown step/,
    ],
  ])('names the fault in %j', (search, message) => {
    expect(() => parseRecipe({ steps: [{ search }] }, methods)).toThrow(message);
  });
});

describe('a search that goes on', () => {
  it('neither makes nor measures a trial again, and ends with the same model', async () => {
    const search = { target: { ratio: 0.85 }, candidates };
    const straight = await run(search);
    const folder = temporaryFolder();
    const stop = new AbortController();
    const first = new WeightLoss();
    const context: OperationContext = {
      signal: stop.signal,
      report: ({ item, metrics }) => {
        if (item === 'middle' && metrics?.['onFront'] !== undefined) stop.abort();
      },
    };
    await expect(run(search, { folder, context, heldOut: first })).rejects.toMatchObject({ code: 'cancelled' });
    expect(first.measured).toBe(3);
    const second = new WeightLoss();
    const items: string[] = [];
    const watching: OperationContext = { ...quietContext, report: ({ item = '' }) => items.push(item) };
    const resumed = await run(search, { folder, heldOut: second, context: watching });
    expect(second.measured).toBe(1);
    expect(items.filter((item) => /^(large|middle):/.test(item))).toEqual([]);
    expect(bytesOf(resumed.model)).toEqual(bytesOf(straight.model));
    const untimed = ({ report }: typeof straight) =>
      report.steps.map(({ search: found, ...step }) => ({ ...step, trials: found?.trials.map((trial) => ({ ...trial, elapsedMs: 0 })) }));
    expect(untimed(resumed)).toEqual(untimed(straight));
  });

  it('holds to the latencies that it measured first', async () => {
    const search = { target: { latencyMs: (wholeBytes * 0.9) / 1000 }, candidates, budget: { trials: 3 } };
    const folder = temporaryFolder();
    const once = await run(search, { folder });
    const heldOut = new WeightLoss();
    const again = await run(search, { folder, heldOut });
    expect(heldOut.latencies).toBe(0);
    expect(again.report).toEqual(once.report);
    expect(once.report.steps[0]?.search?.trials[0]?.measures['latencyMs']).toBeGreaterThan(0);
  });
});

describe('the space of its own', () => {
  it('has a model for every size down to a fifth, and is repeatable', async () => {
    const search = { target: { ratio: 0.4 }, budget: { trials: 12 } };
    const [one, other] = [await run(search), await run(search)];
    const trials = one.report.steps[0]?.search?.trials ?? [];
    expect(trials.map(({ name }) => name)).toEqual(other.report.steps[0]?.search?.trials.map(({ name }) => name));
    expect(bytesOf(one.model)).toEqual(bytesOf(other.model));
    expect(new Set(trials.map(({ family }) => family)).size).toBeGreaterThan(6);
    expect(one.report.bytesAfter).toBeLessThanOrEqual(0.4 * wholeBytes);
    expect(trials.filter(({ failure }) => failure !== undefined).map(({ failure }) => failure)).toEqual([]);
  });
});

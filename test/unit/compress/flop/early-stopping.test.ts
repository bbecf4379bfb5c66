// A training with gates that ends early: it is measured behind the gates alone, keeps the weights that did best, and goes on exactly.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationContext, Progress } from '#base';
import { parseRecipe } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { bertConfig, tinyEncoder, tinyTexts, twoLabels } from '#test/encoders';
import { storedBytesOf } from '#test/recipe-runs';
import { temporaryFolder } from '#test/temporary';
import { recipeMethods } from '../../../../src/jobs/distill-step.ts';
import { tinyCorpus } from '../../train/tiny-training.ts';
import { tinyModel } from '../tiny-model.ts';
import { runFlop } from './run-flop.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
});
afterAll(async () => {
  expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  await engine.dispose();
});

const models = {
  'a GPT-2': { model: tinyModel(), corpus: tinyCorpus(600, 40) },
  'a BERT classifier': { model: tinyEncoder(bertConfig(twoLabels), 1), corpus: { texts: tinyTexts(48) } },
};
/** Steps with gates; so large a learning rate soon finds nothing better behind them. */
const gatedSteps = 8;
const training = {
  steps: 40,
  batchSize: 2,
  sequenceLength: 13,
  learningRate: 0.05,
  schedule: 'constant',
  checkpointEvery: 3,
  teacher: 'none',
};
const settings = { ratio: 0.5, settleSteps: 32, recompileEvery: 3, gateLearningRate: 1, multiplierLearningRate: 2, training };
const stopping = { patience: 2, evaluateEvery: 2, heldOut: 0.2 };

/** Keeps what is reported, and aborts after a step. */
function listening(stopAfter = Number.POSITIVE_INFINITY): { readonly context: OperationContext; readonly reports: Progress[] } {
  const stop = new AbortController();
  const reports: Progress[] = [];
  const report = (progress: Progress): void => {
    if (progress.phase !== 'flop') return;
    reports.push(progress);
    if (progress.step === stopAfter) stop.abort();
  };
  return { reports, context: { signal: stop.signal, report } };
}

const measured = (reports: readonly Progress[]): readonly [number, number][] =>
  reports.flatMap(({ item, step = 0, metrics }) => (item === 'validation' ? [[step, metrics!['loss']!]] : []));

describe.each(Object.entries(models))('%s', (_, data) => {
  it('ends when nothing gets better behind the gates, with the weights that did best, and goes on to the same model', async () => {
    const options = { engine, ...data };
    const { reports, context } = listening();
    const straight = await runFlop({ ...settings, ...stopping }, { ...options, context });
    const found = measured(reports);
    expect(found.map(([step]) => step)).toEqual(found.map((__, index) => gatedSteps + 2 * (index + 1)));
    const [bestStep, bestLoss] = found.reduce((best, each) => (each[1] < best[1] ? each : best));
    const lastStep = found.at(-1)![0];
    expect(lastStep).toBe(bestStep + 4);
    expect(lastStep).toBeLessThan(training.steps);
    const { note } = straight.report.steps[0]!;
    expect(note).toContain(`${lastStep} steps on`);
    expect(note).toContain(`held-out loss ${bestLoss.toFixed(4)} at step ${bestStep}, which is kept`);
    expect(straight.report.bytesAfter).toBeLessThan(straight.report.bytesBefore);

    // What is kept is what a training makes that ends at that step.
    const shorter = { ...settings, settleSteps: bestStep - gatedSteps, training: { ...training, steps: bestStep } };
    const ended = await runFlop({ ...shorter, ...stopping, evaluateEvery: bestStep - gatedSteps }, options);
    expect(storedBytesOf(straight.model)).toEqual(storedBytesOf(ended.model));

    // Stopped among the gates, and behind them between two measurements.
    for (const stopAfter of [5, gatedSteps + 3]) {
      const folder = temporaryFolder();
      const stopped = listening(stopAfter);
      await expect(runFlop({ ...settings, ...stopping }, { ...options, folder, context: stopped.context })).rejects.toMatchObject({
        code: 'cancelled',
      });
      const going = listening();
      const resumed = await runFlop({ ...settings, ...stopping }, { ...options, folder, context: going.context });
      expect(storedBytesOf(resumed.model)).toEqual(storedBytesOf(straight.model));
      expect(resumed.report).toEqual(straight.report);
      expect([...measured(stopped.reports), ...measured(going.reports)]).toEqual(found);
    }
  });
});

it('goes on to its end without patience, and holds nothing out', async () => {
  const { reports, context } = listening();
  await runFlop({ ...settings, settleSteps: 4, training: { ...training, steps: 12 } }, { engine, ...models['a GPT-2'], context });
  expect(measured(reports)).toEqual([]);
  expect(reports.at(-1)!.step).toBe(12);
});

it('needs steps behind the gates', () => {
  const flop = { ratio: 0.5, settleSteps: 0, patience: 2 };
  expect(() => parseRecipe({ steps: [{ flop }] }, recipeMethods)).toThrow(
    /steps\[0\]\.flop\.patience: looks at the steps behind the gates.*settleSteps/,
  );
});

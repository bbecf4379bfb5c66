// Divergences of a teacher's top-k answers with a tail, and of GKD, against PyTorch: values and gradients.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { divergenceRows, outcomesOf, topAnswers } from '#distill';
import { createReferenceEngine } from '#engine/reference';
import { GraphBuilder, gradients, type Value } from '#graph';
import { float32, int64, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';

interface Golden {
  readonly student: readonly (readonly number[])[];
  readonly teacher: readonly (readonly number[])[];
  readonly topK: readonly { k: number; temperature: number; ids: number[][]; loss: number; gradient: number[][] }[];
  readonly gkd: readonly { beta: number; temperature: number; loss: number; gradient: number[][] }[];
}

const golden = JSON.parse(readFileSync(new URL('data/teacher-answers.json', import.meta.url), 'utf8')) as Golden;
const [N, V] = [golden.student.length, golden.student[0]!.length];

/** The mean over rows of what `rows` makes of the student's log-probabilities, and its gradient with respect to the logits. */
async function measure(temperature: number, rows: (b: GraphBuilder, logStudent: Value) => Value) {
  const engine = createReferenceEngine();
  const b = new GraphBuilder();
  const logits = b.input('logits', 'float32', [N, V]);
  const loss = b.reduceMean(rows(b, b.logSoftmax(b.mul(logits, 1 / temperature))), [0]);
  const [gradient] = gradients(b, loss, [logits]);
  const program = await engine.compile(b.graph({ loss, gradient: gradient! }));
  const results = await program.run({ logits: float32([N, V], golden.student.flat()) });
  return { loss: Number(toNumbers(results['loss']!.read())[0]), gradient: Array.from(toNumbers(results['gradient']!.read())) };
}

function logSoftmax(row: readonly number[], temperature: number): number[] {
  const scaled = row.map((value) => value / temperature);
  const total = Math.log(scaled.reduce((sum, value) => sum + Math.exp(value), 0));
  return scaled.map((value) => value - total);
}

const teacherRows = (temperature: number): number[] => golden.teacher.flatMap((row) => logSoftmax(row, temperature));

describe('top-k answers with a tail', () => {
  it.each(golden.topK)('has the loss and gradient of PyTorch with k = $k at temperature $temperature', async (wanted) => {
    const { k, temperature } = wanted;
    const answers = topAnswers(Float32Array.from(teacherRows(temperature)), V, k);
    expect(Array.from(answers.ids)).toEqual(wanted.ids.flat());
    const found = await measure(temperature, (b, logStudent) => {
      const ids = b.constant(int64([N, k], Array.from(answers.ids)));
      const named = b.constant(float32([N, k], Array.from(answers.logProbabilities)));
      const tails = b.constant(float32([N, 1], Array.from(answers.logTails)));
      const rows = divergenceRows(b, b.concat([named, tails], 1), outcomesOf(b, logStudent, ids), {
        divergence: 'forward',
        beta: 0,
        scaled: false,
      });
      return b.mul(rows, temperature ** 2);
    });
    expect(found.loss).toBeCloseTo(wanted.loss, 5);
    expectAllClose(found.gradient, wanted.gradient.flat(), { absolute: 2e-6, relative: 1e-5 });
  });
});

describe('the generalized Jensen-Shannon divergence of GKD', () => {
  it.each(golden.gkd)('has the loss and gradient of PyTorch with β = $beta at temperature $temperature', async (wanted) => {
    const { beta, temperature } = wanted;
    const found = await measure(temperature, (b, logStudent) =>
      divergenceRows(b, b.constant(float32([N, V], teacherRows(temperature))), logStudent, { divergence: 'jsd', beta, scaled: false }),
    );
    expect(found.loss).toBeCloseTo(wanted.loss, 5);
    expectAllClose(found.gradient, wanted.gradient.flat(), { absolute: 2e-6, relative: 1e-5 });
  });

  it('is forward KL at β = 0 and reverse KL at β = 1, and is about a thousandth of forward KL at β = 0.001', async () => {
    const logTeacher = (b: GraphBuilder): Value => b.constant(float32([N, V], teacherRows(1)));
    const forward = await measure(1, (b, logStudent) =>
      divergenceRows(b, logTeacher(b), logStudent, { divergence: 'forward', beta: 0, scaled: false }),
    );
    const reverse = await measure(1, (b, logStudent) =>
      divergenceRows(b, logTeacher(b), logStudent, { divergence: 'reverse', beta: 0, scaled: false }),
    );
    const at = (beta: number) => golden.gkd.find((one) => one.beta === beta && one.temperature === 1)!.loss;
    expect(forward.loss).toBeCloseTo(at(0), 5);
    expect(reverse.loss).toBeCloseTo(at(1), 5);
    expect(at(0.001) / at(0)).toBeLessThan(2e-3);
  });
});

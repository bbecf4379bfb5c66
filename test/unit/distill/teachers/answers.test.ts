// A teacher's likeliest answers: chosen, ordered, with what is left over; and the loss that is made of them.
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { copyRows, divergenceRows, emptyAnswers, fullAnswers, joinAnswers, lowestLog, outcomesOf, rowsOf, topAnswers } from '#distill';
import { createReferenceEngine } from '#engine/reference';
import { GraphBuilder } from '#graph';
import { float32, halfToFloat, int64, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';

const [N, V] = [4, 11];

function logProbabilities(seed: number, scale = 2): Float32Array {
  const random = new Random(seed);
  const rows = Array.from({ length: N }, () => {
    const logits = Array.from({ length: V }, () => scale * random.normal());
    const total = Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0));
    return logits.map((value) => value - total);
  });
  return Float32Array.from(rows.flat());
}

const mass = (answers: ReturnType<typeof topAnswers>, row: number): number =>
  answers.logProbabilities
    .subarray(row * answers.topK, (row + 1) * answers.topK)
    .reduce((sum, value) => sum + Math.exp(value), Math.exp(answers.logTails[row]!));

/** Mean divergence over top-k outcomes. */
async function loss(teacher: Float32Array, student: Float32Array, k: number, kind: 'forward' | 'reverse' = 'forward'): Promise<number> {
  const engine = createReferenceEngine();
  const { ids, logProbabilities: named, logTails } = topAnswers(teacher, V, k);
  const b = new GraphBuilder();
  const known = b.concat([b.constant(float32([N, k], Array.from(named))), b.constant(float32([N, 1], Array.from(logTails)))], 1);
  const compared = outcomesOf(b, b.constant(float32([N, V], Array.from(student))), b.constant(int64([N, k], Array.from(ids))));
  const program = await engine.compile(
    b.graph({ loss: b.reduceMean(divergenceRows(b, known, compared, { divergence: kind, beta: 0, scaled: false }), [0]) }),
  );
  const results = await program.run({});
  return Number(toNumbers(results['loss']!.read())[0]);
}

function fullKl(teacher: Float32Array, student: Float32Array): number {
  return teacher.reduce((sum, log, index) => sum + Math.exp(log) * (log - student[index]!), 0) / N;
}

describe('topAnswers', () => {
  it('takes the likeliest first, and lower ids first among equals', () => {
    const row = Float32Array.of(0.1, 0.3, 0.05, 0.3, 0.25).map(Math.log);
    expect(Array.from(topAnswers(row, 5, 4).ids)).toEqual([1, 3, 4, 0]);
  });

  it.each([1, 3, V - 1, V])('keeps all probability with k = %d', (k) => {
    const answers = topAnswers(logProbabilities(1), V, k);
    for (let row = 0; row < N; row++) expect(mass(answers, row)).toBeCloseTo(1, 6);
  });

  it('leaves nothing over when all answers are taken, and sums a small rest instead of taking it from 1', () => {
    expect(Array.from(topAnswers(logProbabilities(1), V, V).logTails)).toEqual(new Array(N).fill(lowestLog));
    const sure = Float32Array.of(Math.log1p(-3e-12), Math.log(1e-12), Math.log(2e-12));
    expect(topAnswers(sure, 3, 1).logTails[0]).toBeCloseTo(Math.log(3e-12), 5);
  });

  it('turns masked answers into finite ones', () => {
    const masked = Float32Array.of(0, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY);
    const { logProbabilities: logs, logTails } = topAnswers(masked, 3, 2);
    expect([...logs, ...logTails]).toEqual([0, lowestLog, lowestLog]);
    expect(halfToFloat(fullAnswers(masked, 3).logProbabilities)).toEqual(Float32Array.of(0, lowestLog, lowestLog));
  });

  it('joins and copies rows', () => {
    const [first, second] = [topAnswers(logProbabilities(1), V, 3), topAnswers(logProbabilities(2), V, 3)];
    const joined = joinAnswers([first, second]);
    expect(rowsOf(joined)).toBe(2 * N);
    const target = emptyAnswers(N + 2, 3);
    copyRows(second, 0, N, target, 2);
    expect(target.ids.slice(6)).toEqual(second.ids);
    for (let row = 0; row < N + 2; row++) expect(mass(target, row)).toBeCloseTo(1, 6);
  });
});

describe('the divergence over likeliest answers and any other', () => {
  const [teacher, student] = [logProbabilities(1), logProbabilities(2)];

  it('is the divergence over the vocabulary when all answers are taken', async () => {
    expect(await loss(teacher, student, V)).toBeCloseTo(fullKl(teacher, student), 5);
  });

  it('grows with k towards it, and never past it', async () => {
    const losses: number[] = [];
    for (const k of [1, 2, 4, 8, V]) losses.push(await loss(teacher, student, k));
    for (const [index, value] of losses.entries()) expect(value).toBeGreaterThanOrEqual((losses[index - 1] ?? 0) - 1e-6);
    expect(losses[0]).toBeLessThan(losses.at(-1)! - 0.01);
  });

  it.each(['forward', 'reverse'] as const)('is 0 when the student is its teacher (%s)', async (kind) => {
    for (const k of [1, 4, V]) expect(Math.abs(await loss(teacher, teacher, k, kind))).toBeLessThan(1e-5);
  });

  it('sees a student that is far too sure of itself', async () => {
    const sure = Float32Array.from({ length: N * V }, (_, index) => (index % V === 0 ? 0 : -60));
    const value = await loss(teacher, sure, 4);
    expect(Number.isFinite(value)).toBe(true);
    expectAllClose([value], [await loss(teacher, sure, V)], { relative: 0.2 });
  });
});

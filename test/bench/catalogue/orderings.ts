// What the literature leads one to expect of the order of methods, held against the study's own figures.
import type { StudyRecord } from './records.ts';

export interface Verdict {
  readonly claim: string;
  /** Undefined where one side was not measured. */
  readonly holds: boolean | undefined;
  readonly figures: string;
}

interface Claim {
  readonly text: string;
  /** Keys from the best to the worst. */
  readonly order: readonly string[];
  readonly trained: boolean;
  /** How much worse a key that comes earlier may be, as a share: for pairs that are said to be about equal. */
  readonly slack?: number;
}

const claims: readonly Claim[] = [
  {
    text: 'before training: whitened SVD < plain SVD < Kronecker with orders < Kronecker without, at half',
    order: ['SVD, whitened 50 %', 'SVD, plain 50 %', 'Kronecker, orders 50 %', 'Kronecker, no orders 50 %'],
    trained: false,
  },
  {
    text: 'after distillation the same order',
    order: ['SVD, whitened 50 %', 'SVD, plain 50 %', 'Kronecker, orders 50 %', 'Kronecker, no orders 50 %'],
    trained: true,
  },
  {
    text: 'one-shot pruning at half: SparseGPT < Wanda < magnitude',
    order: ['prune, sparsegpt 50 %', 'prune, wanda 50 %', 'prune, magnitude 50 %'],
    trained: false,
  },
  {
    text: '2:4 costs more than pruning half of the weights anywhere',
    order: ['prune half of the weights, sparsegpt', 'prune 2:4, sparsegpt'],
    trained: false,
  },
  {
    text: 'structures cost more than single weights of the same bytes before training, at half',
    order: ['prune, sparsegpt 50 %', 'slice, heads and neurons 50 %'],
    trained: false,
  },
  { text: '4 bits: GPTQ < AWQ < nearest', order: ['GPTQ 4 bits', 'AWQ 4 bits', 'nearest 4 bits'], trained: false },
  { text: '3 bits: GPTQ < AWQ < nearest', order: ['GPTQ 3 bits', 'AWQ 3 bits', 'nearest 3 bits'], trained: false },
  { text: '8 bits lose next to nothing', order: ['nearest 8 bits', 'teacher'], trained: false, slack: 0.005 },
  { text: 'SmoothQuant is about plain int8 on a small model', order: ['int8, smoothquant', 'int8, dynamic'], trained: false, slack: 0.005 },
  { text: '4 bits are better than half of the parameters at fewer bytes', order: ['GPTQ 4 bits', 'SVD, whitened 50 %'], trained: false },
  {
    text: '8 bits on top of half of the rank cost little after distillation',
    order: ['SVD, whitened, then 8 bits 50 %', 'SVD, whitened 50 %'],
    trained: true,
    slack: 0.005,
  },
];

export function checkOrderings(records: readonly StudyRecord[], steps: number): Verdict[] {
  return claims.map(({ text, order, trained, slack = 0 }) => {
    const scores = order.map((key) => scoreOf(records, key, trained ? steps : 0));
    const figures = order.map((key, index) => `${key}: ${scores[index]?.toFixed(4) ?? '-'}`).join('; ');
    if (scores.some((score) => score === undefined)) return { claim: text, holds: undefined, figures };
    const holds = scores.every((score, index) => index === 0 || (scores[index - 1] ?? 0) <= (score ?? 0) * (1 + slack));
    return { claim: text, holds, figures };
  });
}

/** The mean over seeds. */
function scoreOf(records: readonly StudyRecord[], key: string, steps: number): number | undefined {
  const wanted = key === 'teacher' ? 0 : steps;
  const found = records.filter((record) => record.key === key && record.steps === wanted && record.failure === undefined);
  return found.length === 0 ? undefined : found.reduce((sum, { score }) => sum + score, 0) / found.length;
}

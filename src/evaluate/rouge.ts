// ROUGE-1, ROUGE-2 and ROUGE-L by the definition of the rouge-score package.
import { at } from '#base';
import { checkReferences } from './bleu.ts';
import { porterStem } from './porter-stemmer.ts';

/** All between 0 and 1. */
export interface RougeScore {
  readonly precision: number;
  readonly recall: number;
  readonly fMeasure: number;
}

export interface RougeScores {
  readonly rouge1: RougeScore;
  readonly rouge2: RougeScore;
  /** Longest common subsequence of the whole texts. */
  readonly rougeL: RougeScore;
}

export interface RougeOptions {
  /** Compare stems of words of more than three letters. Default false. */
  readonly stems?: boolean;
}

function rougeTokens(text: string, stems: boolean): string[] {
  const words = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, ' ')
    .split(' ')
    .filter((word) => word !== '');
  return stems ? words.map((word) => (word.length > 3 ? porterStem(word) : word)) : words;
}

function scoreOf(common: number, numCandidate: number, numReference: number): RougeScore {
  const precision = common / Math.max(numCandidate, 1);
  const recall = common / Math.max(numReference, 1);
  return { precision, recall, fMeasure: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall) };
}

function ngramScore(candidate: readonly string[], reference: readonly string[], size: number): RougeScore {
  const counts = (tokens: readonly string[]): Map<string, number> => {
    const found = new Map<string, number>();
    for (let start = 0; start + size <= tokens.length; start++) {
      const ngram = tokens.slice(start, start + size).join(' ');
      found.set(ngram, (found.get(ngram) ?? 0) + 1);
    }
    return found;
  };
  const given = counts(candidate);
  let common = 0;
  for (const [ngram, count] of counts(reference)) common += Math.min(count, given.get(ngram) ?? 0);
  return scoreOf(common, Math.max(0, candidate.length - size + 1), Math.max(0, reference.length - size + 1));
}

/** One row of the table at a time. */
function commonSubsequence(left: readonly string[], right: readonly string[]): number {
  let above = new Uint32Array(right.length + 1);
  for (const token of left) {
    const row = new Uint32Array(right.length + 1);
    for (const [index, other] of right.entries())
      row[index + 1] = token === other ? at(above, index) + 1 : Math.max(at(above, index + 1), at(row, index));
    above = row;
  }
  return at(above, right.length);
}

function scoresOfOne(candidate: readonly string[], reference: readonly string[]): RougeScores {
  return {
    rouge1: ngramScore(candidate, reference, 1),
    rouge2: ngramScore(candidate, reference, 2),
    rougeL: scoreOf(commonSubsequence(candidate, reference), candidate.length, reference.length),
  };
}

const kinds = ['rouge1', 'rouge2', 'rougeL'] as const;

/**
 * The mean over all texts; of several references the one with the best F-measure counts, for each kind.
 *
 * @param references - for each hypothesis, one or more
 * @throws AppError `invalid_argument` | `empty_data`
 * @see Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004
 */
export function rouge(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  { stems = false }: RougeOptions = {},
): RougeScores {
  checkReferences(hypotheses, references);
  const all = hypotheses.map((hypothesis, index): RougeScores => {
    const candidate = rougeTokens(hypothesis, stems);
    const scores = at(references, index).map((reference) => scoresOfOne(candidate, rougeTokens(reference, stems)));
    const best = (kind: (typeof kinds)[number]): RougeScore =>
      scores.map((score) => score[kind]).reduce((most, score) => (score.fMeasure > most.fMeasure ? score : most));
    return { rouge1: best('rouge1'), rouge2: best('rouge2'), rougeL: best('rougeL') };
  });
  const mean = (kind: (typeof kinds)[number]): RougeScore => {
    const average = (field: keyof RougeScore): number => all.reduce((sum, scores) => sum + scores[kind][field], 0) / all.length;
    return { precision: average('precision'), recall: average('recall'), fMeasure: average('fMeasure') };
  };
  return { rouge1: mean('rouge1'), rouge2: mean('rouge2'), rougeL: mean('rougeL') };
}

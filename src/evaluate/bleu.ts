// Corpus BLEU by sacrebleu's definition: 13a tokens, n-grams up to 4, exponential smoothing.
import { AppError, at } from '#base';

export interface BleuScore {
  /** 0 … 100 */
  readonly score: number;
  /** Of n-grams of 1 to 4 tokens, in percent, smoothed. */
  readonly precisions: readonly number[];
  readonly brevityPenalty: number;
  /** Tokens of the hypotheses, and of the references nearest to them in length. */
  readonly hypothesisTokens: number;
  readonly referenceTokens: number;
}

const maxOrder = 4;
/** What Python's `str.split` takes for space: the separators of ASCII too, but no byte order mark. */
const spaces = new RegExp(`(?:(?!\\ufeff)\\s|[${String.fromCharCode(0x1c, 0x1d, 0x1e, 0x1f, 0x85)}])+`);
const trailingSpaces = new RegExp(`${spaces.source}$`);

/** The tokens of mteval-v13a: punctuation and symbols apart, numbers whole. */
function tokenize13a(text: string): string[] {
  const plain = text
    .replace(trailingSpaces, '')
    .replaceAll('<skipped>', '')
    .replaceAll('-\n', '')
    .replaceAll('\n', ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
  return ` ${plain} `
    .replace(/([{-~[-` -&(-+:-@/])/gu, ' $1 ')
    .replace(/([^0-9])([.,])/gu, '$1 $2 ')
    .replace(/([.,])([^0-9])/gu, ' $1 $2')
    .replace(/([0-9])(-)/gu, '$1 $2 ')
    .split(spaces)
    .filter((token) => token !== '');
}

/** How often each n-gram comes, by order 1 … 4. */
function countNgrams(tokens: readonly string[]): Map<string, number>[] {
  return Array.from({ length: maxOrder }, (_, index) => {
    const counts = new Map<string, number>();
    for (let start = 0; start + index < tokens.length; start++) {
      const ngram = tokens.slice(start, start + index + 1).join(' ');
      counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
    }
    return counts;
  });
}

/** The reference length nearest to the hypothesis; of two, the smaller. */
function nearestLength(length: number, references: readonly (readonly string[])[]): number {
  return references
    .map((reference) => reference.length)
    .reduce((best, candidate) => {
      const [gap, bestGap] = [Math.abs(candidate - length), Math.abs(best - length)];
      return gap < bestGap || (gap === bestGap && candidate < best) ? candidate : best;
    });
}

/** @throws AppError `invalid_argument` when there are not as many lists of references as hypotheses, or one is empty; `empty_data` */
export function checkReferences(hypotheses: readonly string[], references: readonly (readonly string[])[]): void {
  if (hypotheses.length === 0) throw new AppError('empty_data', 'there is no hypothesis to score. Give at least one.');
  if (references.length !== hypotheses.length)
    throw new AppError(
      'invalid_argument',
      `${hypotheses.length} hypotheses have ${references.length} lists of references. Give one list for each.`,
    );
  const missing = references.findIndex(({ length }) => length === 0);
  if (missing >= 0) throw new AppError('invalid_argument', `hypothesis ${missing} has no reference. Give at least one.`);
}

/**
 * BLEU of a corpus: counts are summed over all segments first.
 *
 * @param references - for each hypothesis, one or more
 * @throws AppError `invalid_argument` | `empty_data`
 * @see Papineni et al., "BLEU", ACL 2002; Post, "A Call for Clarity in Reporting BLEU Scores", WMT 2018; Chen and Cherry, "A Systematic
 * Comparison of Smoothing Techniques for Sentence-Level BLEU", WMT 2014, method 3
 */
export function bleu(hypotheses: readonly string[], references: readonly (readonly string[])[]): BleuScore {
  checkReferences(hypotheses, references);
  const matched = new Array<number>(maxOrder).fill(0);
  const total = new Array<number>(maxOrder).fill(0);
  let hypothesisTokens = 0;
  let referenceTokens = 0;
  for (const [index, hypothesis] of hypotheses.entries()) {
    const tokens = tokenize13a(hypothesis);
    const answers = at(references, index).map(tokenize13a);
    hypothesisTokens += tokens.length;
    referenceTokens += nearestLength(tokens.length, answers);
    const allowed = answers.map(countNgrams);
    for (const [order, counts] of countNgrams(tokens).entries())
      for (const [ngram, count] of counts) {
        const most = allowed.reduce((largest, byOrder) => Math.max(largest, byOrder[order]?.get(ngram) ?? 0), 0);
        matched[order] = at(matched, order) + Math.min(count, most);
        total[order] = at(total, order) + count;
      }
  }
  const precisions = smoothedPrecisions(matched, total);
  const brevityPenalty =
    hypothesisTokens >= referenceTokens ? 1 : hypothesisTokens === 0 ? 0 : Math.exp(1 - referenceTokens / hypothesisTokens);
  const isZero = precisions.some((precision) => precision === 0);
  const meanLog = precisions.reduce((sum, precision) => sum + Math.log(precision), 0) / maxOrder;
  return { score: isZero ? 0 : brevityPenalty * Math.exp(meanLog), precisions, brevityPenalty, hypothesisTokens, referenceTokens };
}

/** An order without a match counts as half of the one before it, half of that, and so on of one match. */
function smoothedPrecisions(matched: readonly number[], total: readonly number[]): number[] {
  if (matched.every((count) => count === 0)) return matched.map(() => 0);
  let divisor = 1;
  return matched.map((count, order) => {
    const all = at(total, order);
    if (all === 0) return 0;
    if (count > 0) return (100 * count) / all;
    divisor *= 2;
    return 100 / (divisor * all);
  });
}

// What "Train Large, Then Compress" says, held against the records.
import { type Axis, type LargeRecord, sizes, sparsities, widths } from './plan.ts';

export interface Statement {
  readonly claim: string;
  /** Undefined where it was not measured. */
  readonly holds: boolean | undefined;
  readonly figures: string;
}

/**
 * Two claims for each axis: at equal bytes a large model that was compressed is no worse than a smaller one, and large models lose less by the same compression.
 *
 * @see Li et al., "Train Large, Then Compress", ICML 2020, §4
 */
export function checkStatements(records: readonly LargeRecord[], axis: Axis): Statement[] {
  const own = records.filter((record) => record.axis === axis && record.failure === undefined);
  const names = sizes.map(({ name }) => name).filter((name) => own.some(({ model }) => model === name));
  return [envelope(own, names), ...lossesBySize(own, names)];
}

/** Best score of these models within so many bytes of blocks. */
function bestWithin(records: readonly LargeRecord[], bytes: number): LargeRecord | undefined {
  return records
    .filter(({ blockBytes }) => blockBytes <= bytes)
    .reduce<LargeRecord | undefined>((best, record) => (best === undefined || record.score < best.score ? record : best), undefined);
}

function envelope(records: readonly LargeRecord[], names: readonly string[]): Statement {
  const [smallest, second] = [names[0], names[1]];
  const claim = `for every size from ${smallest} to the largest, as trained, the best model of so many bytes is a compressed larger one, not ${smallest}`;
  const dense = (name: string | undefined): LargeRecord | undefined =>
    records.find(({ model, sparsity, bits }) => model === name && sparsity === 0 && bits === 32);
  const [from, to] = [dense(smallest), dense(names.at(-1))];
  if (second === undefined || from === undefined || to === undefined) return { claim, holds: undefined, figures: 'needs two sizes' };
  const budgets = [...new Set(records.map(({ blockBytes }) => blockBytes))].filter(
    (bytes) => bytes >= from.blockBytes && bytes <= to.blockBytes,
  );
  const budgetsWithLarge = budgets
    .sort((one, other) => one - other)
    .map((bytes) => {
      const small = bestWithin(
        records.filter(({ model }) => model === smallest),
        bytes,
      );
      const large = bestWithin(
        records.filter(({ model }) => model !== smallest),
        bytes,
      );
      return { bytes, small, large, holds: large !== undefined && small !== undefined && large.score <= small.score };
    });
  const first = budgetsWithLarge[0];
  const count = budgetsWithLarge.filter(({ holds }) => holds).length;
  const at = (record: LargeRecord | undefined): string => (record === undefined ? 'none' : `${record.key} ${record.score.toFixed(4)}`);
  return {
    claim,
    holds: count === budgetsWithLarge.length,
    figures: `${count} of ${budgetsWithLarge.length} sizes; at ${first?.bytes ?? 0} bytes ${at(first?.large)} against ${at(first?.small)}`,
  };
}

/** Share of the bits per byte that each compression costs, from the smallest model to the largest. */
function lossesBySize(records: readonly LargeRecord[], names: readonly string[]): Statement[] {
  const find = (name: string, sparsity: number, bits: number): LargeRecord | undefined =>
    records.find((record) => record.model === name && record.sparsity === sparsity && record.bits === bits);
  const cases = [
    ...sparsities.filter((sparsity) => sparsity > 0).map((sparsity) => ({ sparsity, bits: 32, what: `${100 * sparsity} % zeros` })),
    ...widths.flatMap((bits) => (bits === undefined ? [] : [{ sparsity: 0, bits, what: `${bits} bits` }])),
  ];
  return cases.map(({ sparsity, bits, what }) => {
    const losses = names.map((name) => {
      const [before, after] = [find(name, 0, 32), find(name, sparsity, bits)];
      return before === undefined || after === undefined ? undefined : after.score / before.score - 1;
    });
    const known = losses.every((loss) => loss !== undefined) && names.length > 1;
    const falls = losses.every((loss, index) => index === 0 || (loss ?? 0) <= (losses[index - 1] ?? 0));
    const figures = names
      .map((name, index) => `${name} ${losses[index] === undefined ? '-' : `${(100 * (losses[index] ?? 0)).toFixed(2)} %`}`)
      .join(', ');
    return { claim: `${what} cost the larger model less`, holds: known ? falls : undefined, figures };
  });
}

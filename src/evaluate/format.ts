// An evaluation as a table for people.
import type { EvaluationResult } from './result.ts';

/**
 * Prints results side by side, a column each, with the protocol below.
 *
 * Rows that no result has are left out; a result without a figure shows a dash.
 */
export function formatEvaluations(results: readonly { readonly name: string; readonly result: EvaluationResult }[]): string {
  const rows = rowsOf(results.map(({ result }) => result)).filter(([, ...cells]) => cells.some((cell) => cell !== '-'));
  const table = [['', ...results.map(({ name }) => name)], ...rows];
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  const protocols = [...new Set(results.map(({ result }) => `${result.protocol}; ${result.engine}`))];
  return [...lines, '', ...protocols.map((protocol) => `protocol: ${protocol}`)].join('\n');
}

/** The table of one result. */
export function formatEvaluation(result: EvaluationResult, name = 'model'): string {
  return formatEvaluations([{ name, result }]);
}

function rowsOf(results: readonly EvaluationResult[]): string[][] {
  const row = (label: string, cell: (result: EvaluationResult) => string | undefined): string[] => [
    label,
    ...results.map((result) => cell(result) ?? '-'),
  ];
  const batches = [...new Set(results.flatMap(({ latency }) => latency.map(({ batch }) => batch)))];
  return [
    row('bits per byte', (result) => result.bitsPerByte.toFixed(4)),
    row('token perplexity', (result) => result.tokenPerplexity.toFixed(2)),
    row('next-token accuracy', (result) => percent(result.accuracy)),
    row('teacher bits per byte', ({ teacher }) => teacher?.bitsPerByte.toFixed(4)),
    row('teacher token perplexity', ({ teacher }) => teacher?.tokenPerplexity.toFixed(2)),
    row('top-1 agreement with teacher', ({ teacher }) => teacher && percent(teacher.topTokenAgreement)),
    row('KL(teacher || model), nats a token', ({ teacher }) => teacher?.divergenceNats.toFixed(4)),
    row('stored parameters', (result) => count(result.storedParameters)),
    row('stored bytes', (result) => count(result.storedBytes)),
    row('stored bytes, share of teacher', ({ storedBytes, teacher }) => teacher && percent(storedBytes / teacher.storedBytes)),
    row('resident bytes', (result) => count(result.residentBytes)),
    ...batches.flatMap((batch) => {
      const find = (result: EvaluationResult) => result.latency.find((entry) => entry.batch === batch);
      return [
        row(`prefill, batch ${batch}`, (result) => {
          const entry = find(result);
          return entry && `${entry.prefillMs.toFixed(2)} ms / ${entry.promptTokens}`;
        }),
        row(`decode step, batch ${batch}`, (result) => {
          const entry = find(result);
          return entry && `${entry.decodeStepMs.toFixed(2)} ms`;
        }),
      ];
    }),
    row('scored tokens', (result) => count(result.scoredTokens)),
    row('text bytes', (result) => count(result.textBytes)),
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

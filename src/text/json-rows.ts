// The rows of a .jsonl file, each a JSON object.
import { AppError, throwIfCancelled } from '#base';
import { readLines } from './lines.ts';

const maxRowCharacters = 64 * 2 ** 20;

export interface JsonRow {
  /** From 1. */
  readonly row: number;
  readonly value: Readonly<Record<string, unknown>>;
}

/** An error that names the file and the row. */
export function badRow(path: string, row: number, problem: string, cause?: unknown): AppError {
  return new AppError('bad_data', `data "${path}" row ${row}: ${problem}`, {
    details: { path, row },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Empty rows are passed over. @throws AppError `bad_data` with the row | `cancelled` */
export async function* readJsonRows(chunks: AsyncIterable<string>, path: string, signal: AbortSignal | undefined): AsyncGenerator<JsonRow> {
  let row = 0;
  for await (const line of readLines(chunks, maxRowCharacters)) {
    if (signal !== undefined) throwIfCancelled(signal);
    row++;
    if (line.lineBreak === '' && line.text.length >= maxRowCharacters)
      throw badRow(path, row, `is longer than ${maxRowCharacters} characters. Split it.`);
    if (line.text.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(line.text);
    } catch (cause) {
      throw badRow(path, row, `is not JSON: "${line.text.slice(0, 40)}". Write one JSON object a line.`, cause);
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw badRow(path, row, 'is not a JSON object. Write one JSON object a line.');
    yield { row, value: value as Readonly<Record<string, unknown>> };
  }
}

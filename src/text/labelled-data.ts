// Labelled texts and pairs of texts: .tsv, .csv and .jsonl files with named columns, each optionally gzipped.
import { AppError, throwIfCancelled } from '#base';
import { checkFile, readText } from './read-text.ts';

export interface LabelledColumns {
  /** Names of the columns (fields of a .jsonl row) that hold the text and the label. */
  readonly text: string;
  readonly label: string;
  /** The second text of a pair. */
  readonly pair?: string;
  /** Names of all columns in their order, for .tsv and .csv files without a header line. */
  readonly columns?: readonly string[];
}

export interface LabelledRow {
  readonly text: string;
  readonly pair?: string;
  readonly label: string;
}

/** Bytes after unpacking: what a small gzip file can grow to. The rows are held in memory. */
const maxBytes = 2 ** 30;

type Fields = Readonly<Record<string, string>>;

/**
 * Reads a labelled data set.
 *
 * A .tsv file has no quotes, as the files of GLUE; a .csv file may quote as RFC 4180 says. Numbers and booleans as labels of .jsonl rows are
 * taken as they are written.
 *
 * @throws AppError `file_not_found` | `file_not_allowed` | `bad_encoding` | `bad_data` (unknown kind of file; a row with too few fields, or
 * without one of the columns) | `empty_data` | `cancelled`
 */
export async function readLabelled(path: string, columns: LabelledColumns, signal?: AbortSignal): Promise<LabelledRow[]> {
  const kind = kindOf(path);
  await checkFile(path);
  const parts: string[] = [];
  for await (const chunk of readText(path, { limitBytes: maxBytes, usedBytes: 0 })) {
    if (signal !== undefined) throwIfCancelled(signal);
    parts.push(chunk);
  }
  return labelledRows(parts.join(''), kind, columns, path);
}

/**
 * Reads labelled rows of .jsonl that are in memory.
 *
 * @param name - for errors
 * @throws AppError `bad_data` | `empty_data`
 */
export function labelledFromJsonLines(text: string, columns: LabelledColumns, name: string): LabelledRow[] {
  return labelledRows(text, 'jsonl', columns, name);
}

function labelledRows(text: string, kind: 'tsv' | 'csv' | 'jsonl', columns: LabelledColumns, path: string): LabelledRow[] {
  const records = kind === 'jsonl' ? jsonRecords(text, path) : tableRecords(text, kind, columns.columns, path);
  const rows = [...records].map(({ fields, row }) => rowOf(fields, columns, path, row));
  if (rows.length === 0) throw new AppError('empty_data', `data "${path}": holds no row. Give at least one labelled text.`);
  return rows;
}

/** @throws AppError `file_not_found` | `file_not_allowed` | `bad_data` for an unknown kind of file */
export async function checkLabelledFile(path: string): Promise<void> {
  kindOf(path);
  await checkFile(path);
}

function kindOf(path: string): 'tsv' | 'csv' | 'jsonl' {
  const match = /\.(tsv|csv|jsonl)(\.gz)?$/.exec(path);
  if (match !== null) return match[1] === 'tsv' ? 'tsv' : match[1] === 'csv' ? 'csv' : 'jsonl';
  throw new AppError('bad_data', `data "${path}": unknown kind of file. Name a .tsv, .csv or .jsonl file, or any of them with .gz.`, {
    details: { path },
  });
}

interface DataRecord {
  readonly fields: Fields;
  /** Counted from 1; a header is row 1. */
  readonly row: number;
}

function badRow(path: string, row: number, problem: string, cause?: unknown): AppError {
  const message = `data "${path}" row ${row}: ${problem}`;
  return new AppError('bad_data', message, { details: { path, row }, ...(cause === undefined ? {} : { cause }) });
}

function rowOf(fields: Fields, { text, label, pair }: LabelledColumns, path: string, row: number): LabelledRow {
  const field = (name: string): string => {
    const value = fields[name];
    if (value !== undefined) return value;
    throw badRow(
      path,
      row,
      `has no column "${name}"; it has ${Object.keys(fields).join(', ')}. Name the columns that hold text and label.`,
    );
  };
  return { text: field(text), label: field(label), ...(pair === undefined ? {} : { pair: field(pair) }) };
}

function* jsonRecords(text: string, path: string): Generator<DataRecord> {
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const row = index + 1;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      throw badRow(path, row, `is not JSON: "${line.slice(0, 40)}". Write one JSON object a line.`, cause);
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw badRow(path, row, 'is not a JSON object. Write one JSON object a line.');
    const plain = Object.entries(value).filter(([, field]) => ['string', 'number', 'boolean'].includes(typeof field));
    yield { row, fields: Object.fromEntries(plain.map(([name, field]) => [name, String(field)])) };
  }
}

function* tableRecords(text: string, kind: 'tsv' | 'csv', given: readonly string[] | undefined, path: string): Generator<DataRecord> {
  let names = given;
  for (const { cells, row } of kind === 'tsv' ? tabbedRows(text) : quotedRows(text, path)) {
    if (cells.length === 1 && cells[0] === '') continue;
    if (names === undefined) {
      names = cells;
      continue;
    }
    if (cells.length !== names.length)
      throw badRow(path, row, `has ${cells.length} fields where ${names.length} are named (${names.join(', ')}). Correct the row.`);
    yield { row, fields: Object.fromEntries(names.map((name, index) => [name, cells[index] ?? ''])) };
  }
}

interface TableRow {
  readonly cells: readonly string[];
  readonly row: number;
}

function* tabbedRows(text: string): Generator<TableRow> {
  for (const [index, line] of text.split(/\r?\n/).entries()) yield { cells: line.split('\t'), row: index + 1 };
}

/** One field and what ends it: a quoted field with doubled quotes inside, or a plain one. */
const csvField = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;

function* quotedRows(text: string, path: string): Generator<TableRow> {
  let cells: string[] = [];
  let row = 1;
  csvField.lastIndex = 0;
  for (let start = 0; start < text.length || cells.length > 0; ) {
    csvField.lastIndex = start;
    const match = csvField.exec(text);
    if (match === null)
      throw badRow(path, row, 'has a quote in the middle of a field or no end of it. Double the quotes inside a quoted field.');
    const [whole, quoted, plain = '', end] = match;
    cells.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    start += whole.length;
    if (end === ',') continue;
    yield { cells, row };
    row++;
    cells = [];
  }
}

/** The distinct labels, in the order of their numbers where all are numbers, else of their letters. */
export function distinctLabels(rows: readonly LabelledRow[]): string[] {
  const labels = [...new Set(rows.map(({ label }) => label))];
  const areNumbers = labels.every((label) => label !== '' && Number.isFinite(Number(label)));
  return labels.sort((left, right) => (areNumbers ? Number(left) - Number(right) : left < right ? -1 : 1));
}

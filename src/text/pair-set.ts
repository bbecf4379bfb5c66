// Data sets of pairs: a source text and what a model should make of it, from .tsv and .jsonl files, each optionally gzipped.
import { AppError, throwIfCancelled } from '#base';
import { badRow, readJsonRows } from './json-rows.ts';
import { readLines } from './lines.ts';
import { type ByteBudget, checkFile, readText } from './read-text.ts';

/** A source and its targets; several where a data set has several right answers. */
export interface TextPair {
  readonly source: string;
  /** At least one. */
  readonly targets: readonly string[];
}

export interface PairOptions {
  /** Fields of a .jsonl row; `source` and `target` when absent. A list of texts is joined for a source, and is several targets. */
  readonly sourceField?: string;
  readonly targetField?: string;
  /** Columns of a .tsv file, from 0; 0 and 1 when absent. */
  readonly sourceColumn?: number;
  readonly targetColumn?: number;
  /** Bytes after unpacking, over all files; 4 GiB when absent. */
  readonly maxBytes?: number;
}

/** A data set of pairs that can be read any number of times. */
export interface PairSource {
  readonly paths: readonly string[];
  pairs(signal?: AbortSignal): AsyncGenerator<TextPair>;
}

const defaultMaxBytes = 4 * 2 ** 30;
const maxRowCharacters = 64 * 2 ** 20;

/**
 * Opens a data set of pairs: .tsv (or .txt with tabs) and .jsonl, each also with .gz. The files are checked now and read later.
 *
 * @throws AppError `file_not_found` | `file_not_allowed` | `bad_data` (unknown kind of file) | `invalid_argument`; while reading also
 *   `bad_encoding` (with the byte offset), `bad_data` (with the row) and `empty_data`
 */
export async function openPairs(paths: string | readonly string[], options: PairOptions = {}): Promise<PairSource> {
  const list = typeof paths === 'string' ? [paths] : paths;
  if (list.length === 0) throw new AppError('invalid_argument', 'data: no file is named. Give a path or a list of paths.');
  for (const path of list) {
    kindOf(path);
    await checkFile(path);
  }
  return {
    paths: list,
    async *pairs(signal) {
      const budget: ByteBudget = { limitBytes: options.maxBytes ?? defaultMaxBytes, usedBytes: 0 };
      let isEmpty = true;
      for (const path of list)
        for await (const pair of readers[kindOf(path)](readText(path, budget), path, options, signal)) {
          isEmpty = false;
          yield pair;
        }
      if (isEmpty) throw new AppError('empty_data', `data "${list.join('", "')}": holds no pair. Give at least one.`);
    },
  };
}

/** A data set of .jsonl rows in memory. */
export function pairsFromJsonLines(text: string, options: PairOptions, name: string): PairSource {
  async function* chunks(): AsyncGenerator<string> {
    yield text;
  }
  return {
    paths: [name],
    async *pairs(signal) {
      let isEmpty = true;
      for await (const pair of readFields(chunks(), name, options, signal)) {
        isEmpty = false;
        yield pair;
      }
      if (isEmpty) throw new AppError('empty_data', `data "${name}": holds no pair. Give at least one.`);
    },
  };
}

/** A data set from pairs in memory. */
export function pairsFromTexts(pairs: readonly TextPair[], name = 'memory'): PairSource {
  return {
    paths: [name],
    async *pairs() {
      yield* pairs;
    },
  };
}

type Kind = 'tsv' | 'jsonl';
type Reader = (
  chunks: AsyncIterable<string>,
  path: string,
  options: PairOptions,
  signal: AbortSignal | undefined,
) => AsyncGenerator<TextPair>;

const readers: { readonly [K in Kind]: Reader } = { tsv: readColumns, jsonl: readFields };

function kindOf(path: string): Kind {
  const match = /\.(tsv|txt|jsonl)(\.gz)?$/.exec(path);
  if (match !== null) return match[1] === 'jsonl' ? 'jsonl' : 'tsv';
  throw new AppError('bad_data', `data "${path}": unknown kind of file. Name a .tsv, .txt or .jsonl file, or one of these with .gz.`, {
    details: { path },
  });
}

async function* readColumns(
  chunks: AsyncIterable<string>,
  path: string,
  { sourceColumn = 0, targetColumn = 1 }: PairOptions,
  signal: AbortSignal | undefined,
): AsyncGenerator<TextPair> {
  let row = 0;
  for await (const line of readLines(chunks, maxRowCharacters)) {
    if (signal !== undefined) throwIfCancelled(signal);
    row++;
    if (line.text.trim() === '') continue;
    const columns = line.text.split('\t');
    const [source, target] = [columns[sourceColumn], columns[targetColumn]];
    if (source === undefined || target === undefined)
      throw badRow(path, row, `has ${columns.length} columns, needed are ${sourceColumn} and ${targetColumn}. Separate columns by tabs.`);
    yield { source, targets: [target] };
  }
}

async function* readFields(
  chunks: AsyncIterable<string>,
  path: string,
  { sourceField = 'source', targetField = 'target' }: PairOptions,
  signal: AbortSignal | undefined,
): AsyncGenerator<TextPair> {
  for await (const { row, value } of readJsonRows(chunks, path, signal)) {
    const texts = (field: string): string[] => {
      const found = value[field];
      const list: unknown[] = Array.isArray(found) ? found : [found];
      if (list.length > 0 && list.every((text): text is string => typeof text === 'string')) return list;
      const what = found === undefined ? 'missing' : 'neither a text nor a list of texts';
      throw badRow(path, row, `field "${field}" is ${what}; the row has: ${Object.keys(value).join(', ')}. Name the field that holds it.`);
    };
    yield { source: texts(sourceField).join(' '), targets: texts(targetField) };
  }
}

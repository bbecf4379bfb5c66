// Text data sets: .txt and .jsonl files, each optionally gzipped, as documents in bounded memory.
import { AppError, throwIfCancelled } from '#base';
import { badRow, readJsonRows } from './json-rows.ts';
import { readLines } from './lines.ts';
import { type ByteBudget, checkFile, readText } from './read-text.ts';

export interface TextOptions {
  /** Field of a .jsonl row that holds the text; `text` when absent. */
  readonly field?: string;
  /**
   * `separated` (default): a line of a .txt file that is exactly `<|endoftext|>` ends a document.
   * `whole`: a .txt file is one document, separators included as text, so that every byte counts.
   */
  readonly documents?: 'separated' | 'whole';
  /** Bytes after unpacking, over all files; 4 GiB when absent. Bounds what a small gzip file can grow to. */
  readonly maxBytes?: number;
}

/** A part of a document; a long document comes in several. */
export interface TextPiece {
  readonly text: string;
  readonly endsDocument: boolean;
}

/** A data set that can be read any number of times. */
export interface TextSource {
  readonly paths: readonly string[];
  /** Parts of about 64 KiB: bounded memory however long a document is. Documents without text are left out. */
  pieces(signal?: AbortSignal): AsyncGenerator<TextPiece>;
  /** Whole documents. */
  documents(signal?: AbortSignal): AsyncGenerator<string>;
}

export const documentSeparator = '<|endoftext|>';
const defaultMaxBytes = 4 * 2 ** 30;
const pieceCharacters = 65_536;

/**
 * Opens a data set. The files are checked now and read later.
 *
 * In a separated .txt file the line break before a separator and the one after it belong to no document.
 *
 * @throws AppError `file_not_found` | `file_not_allowed` | `bad_data` (unknown kind of file) | `invalid_argument`; while reading also
 *   `bad_encoding` (with the byte offset), `bad_data` (with the row) and `empty_data`
 */
export async function openText(paths: string | readonly string[], options: TextOptions = {}): Promise<TextSource> {
  const list = typeof paths === 'string' ? [paths] : paths;
  if (list.length === 0) throw new AppError('invalid_argument', 'data: no file is named. Give a path or a list of paths.');
  for (const path of list) {
    kindOf(path);
    await checkFile(path);
  }
  return makeSource(list, async function* (signal) {
    const budget: ByteBudget = { limitBytes: options.maxBytes ?? defaultMaxBytes, usedBytes: 0 };
    for (const path of list) {
      const chunks = readText(path, budget);
      if (kindOf(path) === 'jsonl') yield* readRows(chunks, path, options.field ?? 'text', signal);
      else yield* readDocuments(chunks, options.documents ?? 'separated', signal);
    }
  });
}

/** A data set from texts in memory, each one document. */
export function textFromStrings(documents: readonly string[], name = 'memory'): TextSource {
  return makeSource([name], async function* () {
    for (const text of documents) yield { text, endsDocument: true };
  });
}

function makeSource(paths: readonly string[], read: (signal?: AbortSignal) => AsyncGenerator<TextPiece>): TextSource {
  async function* pieces(signal?: AbortSignal): AsyncGenerator<TextPiece> {
    let hasText = false;
    let isOpen = false;
    for await (const piece of read(signal)) {
      if (piece.text === '' && !(piece.endsDocument && isOpen)) continue;
      hasText = true;
      isOpen = !piece.endsDocument;
      yield piece;
    }
    if (!hasText)
      throw new AppError('empty_data', `data "${paths.join('", "')}": holds no text. Give a text with at least one window of tokens.`);
  }
  async function* documents(signal?: AbortSignal): AsyncGenerator<string> {
    let text = '';
    for await (const piece of pieces(signal)) {
      text += piece.text;
      if (!piece.endsDocument) continue;
      yield text;
      text = '';
    }
  }
  return { paths, pieces, documents };
}

function kindOf(path: string): 'txt' | 'jsonl' {
  const match = /\.(txt|jsonl)(\.gz)?$/.exec(path);
  if (match !== null) return match[1] === 'jsonl' ? 'jsonl' : 'txt';
  throw new AppError('bad_data', `data "${path}": unknown kind of file. Name a .txt or .jsonl file, or either with .gz.`, {
    details: { path },
  });
}

/** Documents of a .txt file. The break of a line is held back until it is known that no separator follows. */
async function* readDocuments(
  chunks: AsyncIterable<string>,
  documents: 'separated' | 'whole',
  signal: AbortSignal | undefined,
): AsyncGenerator<TextPiece> {
  if (documents === 'whole') {
    for await (const text of chunks) {
      if (signal !== undefined) throwIfCancelled(signal);
      yield { text, endsDocument: false };
    }
    yield { text: '', endsDocument: true };
    return;
  }
  let text = '';
  let lineBreak = '';
  for await (const line of readLines(chunks, pieceCharacters)) {
    if (signal !== undefined) throwIfCancelled(signal);
    if (line.startsLine && line.text === documentSeparator) {
      yield { text, endsDocument: true };
      text = '';
      lineBreak = '';
      continue;
    }
    text += lineBreak + line.text;
    lineBreak = line.lineBreak;
    if (text.length < pieceCharacters) continue;
    yield { text, endsDocument: false };
    text = '';
  }
  yield { text: text + lineBreak, endsDocument: true };
}

async function* readRows(
  chunks: AsyncIterable<string>,
  path: string,
  field: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<TextPiece> {
  for await (const { row, value } of readJsonRows(chunks, path, signal)) {
    const text = value[field];
    if (typeof text !== 'string')
      throw badRow(
        path,
        row,
        `field "${field}" is ${text === undefined ? 'missing' : 'not a text'}; the row has: ${Object.keys(value).join(', ')}. Name the field that holds the text.`,
      );
    yield { text, endsDocument: true };
  }
}

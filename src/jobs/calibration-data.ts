// The calibration windows of a compress job, and the record of what they hold.
import { createHash } from 'node:crypto';
import { AppError, at, Random } from '#base';
import type { CalibrationWindows } from '#compress';
import { hostTensor } from '#tensor';
import { type TokenCorpus, type Tokenizer, WindowSampler } from '#text';
import type { CalibrationManifest } from './results.ts';
import type { CompressSpec } from './specs.ts';

/** Tokens of a calibration window where the request does not say. */
const defaultWindow = 128;
/** Windows in one run of the model. */
export const windowsPerRun = 8;
/** Rows whose own digest the manifest shows. */
const shownRows = 64;
/** Hexadecimal digits of such a digest. */
const shownDigits = 16;

export interface CalibrationData {
  /** The same windows each time that a method asks for them. */
  readonly windows: CalibrationWindows;
  /** Of `windows`. */
  readonly runs: number;
  /** Tokens of the largest run. */
  readonly tokensPerRun: number;
  readonly manifest: CalibrationManifest;
}

/** Tokens of a window. */
export function calibrationWindow({ sequenceLength }: CompressSpec['calibration'], maxPositions: number): number {
  return Math.min(sequenceLength ?? defaultWindow, maxPositions);
}

/** Draws the windows. @throws AppError `empty_data` where the text is shorter than one */
export function calibrationData(
  corpus: TokenCorpus,
  { sequences, seed, specialTokens: addsSpecial }: CompressSpec['calibration'],
  window: number,
  tokenizer: Pick<Tokenizer, 'endTokens' | 'specialLayout'>,
  paths: readonly string[],
): CalibrationData {
  const drawSeed = new Random(seed).bits();
  const begin = addsSpecial ? beginningOf(tokenizer) : [];
  if (begin.length >= window)
    throw new AppError('invalid_argument', `calibration.sequenceLength: must be above the ${begin.length} special tokens, got ${window}.`, {
      details: { field: 'calibration.sequenceLength' },
    });
  const drawn = window - begin.length;
  const { windows: available } = new WindowSampler(corpus.tokens, { batch: 1, window: drawn, seed: drawSeed });
  const numRows = Math.min(sequences, available);
  const texts = new WindowSampler(corpus.tokens, { batch: numRows, window: drawn, seed: drawSeed }).next().tokens.data;
  const rows = new BigInt64Array(numRows * window);
  for (let row = 0; row < numRows; row++) {
    rows.set(BigInt64Array.from(begin, BigInt), row * window);
    rows.set(texts.subarray(row * drawn, (row + 1) * drawn), row * window + begin.length);
  }
  const starts = Array.from({ length: Math.ceil(numRows / windowsPerRun) }, (_, run) => run * windowsPerRun);
  return {
    runs: starts.length,
    tokensPerRun: Math.min(windowsPerRun, numRows) * window,
    async *windows() {
      for (const first of starts) {
        const last = Math.min(first + windowsPerRun, numRows);
        yield hostTensor('int64', [last - first, window], rows.slice(first * window, last * window));
      }
    },
    manifest: {
      paths,
      textHash: corpus.fingerprint,
      documents: corpus.documentStarts.length,
      rows: numRows,
      rowsAvailable: available,
      rowTokens: window,
      seed,
      padding: 'none: every row is full',
      rowKind: 'window of running text',
      specialTokens: specialTokens(corpus, tokenizer, begin),
      ...rowDigests(Array.from({ length: numRows }, (_, row) => rows.slice(row * window, (row + 1) * window))),
    },
  };
}

/** SHA-256 of all rows of token ids as 64-bit little-endian numbers, and the beginnings of those of the first rows. */
export function rowDigests(rows: readonly BigInt64Array[]): Pick<CalibrationManifest, 'rowsHash' | 'rowHashes'> {
  const digest = (of: readonly BigInt64Array[]): string => {
    const hash = createHash('sha256');
    for (const ids of of) hash.update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
    return hash.digest('hex');
  };
  return { rowsHash: digest(rows), rowHashes: rows.slice(0, shownRows).map((row) => digest([row]).slice(0, shownDigits)) };
}

/** What the tokenizer puts in front of a prompt. */
function beginningOf(tokenizer: Pick<Tokenizer, 'specialLayout'>): number[] {
  const layout = tokenizer.specialLayout(false);
  return layout
    .slice(
      0,
      layout.findIndex((item) => 'part' in item),
    )
    .flatMap((item) => ('id' in item ? [item.id] : []));
}

function specialTokens(
  { documentStarts, tokens }: TokenCorpus,
  { endTokens }: Pick<Tokenizer, 'endTokens'>,
  begin: readonly number[],
): string {
  const added = [
    ...(begin.length === 0 ? [] : [`token ${begin.join(', ')} in front of every row`]),
    ...(documentStarts.length < 2 ? [] : [`token ${endTokens[0] ?? at(tokens, at(documentStarts, 1) - 1)} between documents`]),
  ];
  return added.length === 0 ? 'none added' : added.join('; ');
}

// A text data set as one array of token ids.
import { createHash } from 'node:crypto';
import { AppError, type OperationContext, throwIfCancelled, yieldToEventLoop } from '#base';
import { ChunkEncoder } from './chunk-encoder.ts';
import type { TextSource } from './data-set.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface TokenCorpus {
  /** Ids of all documents, with one separator between neighbours. */
  readonly tokens: Int32Array;
  /** Index in `tokens` of the first id of each document; the ids before all but the first are separators. */
  readonly documentStarts: Int32Array;
  /** UTF-8 bytes of the documents' text, without separators. */
  readonly bytes: number;
  /** SHA-256 of the text; independent of packing, compression and tokenizer. */
  readonly fingerprint: string;
  readonly tokenizerHash: string;
}

export interface TokenizeOptions {
  /** Id between documents; the tokenizer's first end token when absent. */
  readonly separator?: number;
  /** Characters encoded without giving the event loop a turn; 16,384 (about 25 ms) when absent. */
  readonly chunkCharacters?: number;
}

const defaultChunkCharacters = 16_384;
const turnsPerReport = 16;

/**
 * Tokenizes a data set, with turns for the event loop, progress (step = bytes) and cancellation.
 *
 * Memory: four bytes a token, twice that for a moment, and one chunk of text.
 *
 * @throws AppError `bad_tokenizer` when several documents meet a tokenizer without an end token, `cancelled`, and what reading throws
 */
export async function tokenizeCorpus(
  source: TextSource,
  tokenizer: Tokenizer,
  context: OperationContext,
  options: TokenizeOptions = {},
): Promise<TokenCorpus> {
  const separator = options.separator ?? tokenizer.endTokens[0];
  const chunkCharacters = options.chunkCharacters ?? defaultChunkCharacters;
  const encoder = new ChunkEncoder(tokenizer, chunkCharacters);
  const hash = createHash('sha256');
  const builder = new IdBuilder();
  const documentStarts: number[] = [];
  let bytes = 0;
  let isOpen = false;
  const report = (): void => context.report({ phase: 'tokenize', step: bytes, metrics: { tokens: builder.length } });

  // Paced by tokens, so that one long document and many short ones give turns and reports alike; a token is four characters or so.
  const tokensPerTurn = Math.max(1, Math.floor(chunkCharacters / 4));
  let nextTurn = tokensPerTurn;
  let turns = 0;
  const giveTurn = async (): Promise<void> => {
    if (builder.length < nextTurn) return;
    nextTurn = builder.length + tokensPerTurn;
    throwIfCancelled(context.signal);
    await yieldToEventLoop();
    if (++turns % turnsPerReport === 0) report();
  };

  for await (const piece of source.pieces(context.signal)) {
    if (!isOpen) {
      if (documentStarts.length > 0) builder.append(Int32Array.of(requireSeparator(separator, source)));
      documentStarts.push(builder.length);
      isOpen = true;
    }
    hash.update(piece.text);
    bytes += Buffer.byteLength(piece.text);
    for (const ids of encoder.push(piece.text)) {
      builder.append(ids);
      await giveTurn();
    }
    if (!piece.endsDocument) continue;
    builder.append(encoder.end());
    hash.update(documentEnd);
    isOpen = false;
    await giveTurn();
  }
  throwIfCancelled(context.signal);
  if (builder.length === 0) throw new AppError('empty_data', `data "${source.paths.join('", "')}": gives no tokens. Give more text.`);
  report();
  return {
    tokens: builder.finish(),
    documentStarts: Int32Array.from(documentStarts),
    bytes,
    fingerprint: hash.digest('hex'),
    tokenizerHash: tokenizer.hash,
  };
}

/** A byte that no UTF-8 text contains, so that moving text between documents changes the fingerprint. */
const documentEnd = Uint8Array.of(0xff);

function requireSeparator(separator: number | undefined, source: TextSource): number {
  if (separator !== undefined) return separator;
  throw new AppError(
    'bad_tokenizer',
    `data "${source.paths.join('", "')}": holds several documents, but the tokenizer names no end token to put between them. Set eos_token in tokenizer_config.json.`,
  );
}

/** A growing array of ids. */
class IdBuilder {
  #ids = new Int32Array(65_536);
  length = 0;

  append(ids: Int32Array): void {
    if (this.length + ids.length > this.#ids.length) {
      const larger = new Int32Array(Math.max(2 * this.#ids.length, this.length + ids.length));
      larger.set(this.#ids.subarray(0, this.length));
      this.#ids = larger;
    }
    this.#ids.set(ids, this.length);
    this.length += ids.length;
  }

  finish(): Int32Array {
    return this.#ids.slice(0, this.length);
  }
}

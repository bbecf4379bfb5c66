// Pairs as token ids, and batches of them for training.
import { createHash } from 'node:crypto';
import { AppError, at, type OperationContext, throwIfCancelled, yieldToEventLoop } from '#base';
import { type HostTensor, hostTensor } from '#tensor';
import type { PairSource } from './pair-set.ts';
import { type SampledExamples, type SamplerCursor, SeededOrder } from './seeded-order.ts';
import type { Tokenizer } from './tokenizer.ts';

/** One source and one target, each with its end token. */
export interface TokenPair {
  readonly source: Int32Array;
  readonly target: Int32Array;
}

export interface PairCorpus {
  readonly pairs: readonly TokenPair[];
  /** Pairs that were left out for their length. */
  readonly numTooLong: number;
  /** SHA-256 of the texts; independent of packing and tokenizer. */
  readonly fingerprint: string;
  readonly tokenizerHash: string;
}

export interface TokenizePairsOptions {
  /** Of the targets, where it is not that of the sources. */
  readonly targetTokenizer?: Tokenizer;
  /** Pairs with a longer side are left out; no limit when absent. */
  readonly maxSourceTokens?: number;
  readonly maxTargetTokens?: number;
  /** Pairs to read; all when absent. */
  readonly maxPairs?: number;
}

const pairsPerTurn = 256;

/**
 * Tokenizes pairs, with turns for the event loop, progress (step = pairs) and cancellation. A source with several targets gives a pair for each.
 *
 * @throws AppError `bad_tokenizer` for a tokenizer without an end token | `empty_data` when no pair is left | `cancelled`, and what reading throws
 */
export async function tokenizePairs(
  source: PairSource,
  tokenizer: Tokenizer,
  context: OperationContext,
  options: TokenizePairsOptions = {},
): Promise<PairCorpus> {
  const { targetTokenizer = tokenizer, maxSourceTokens = Infinity, maxTargetTokens = Infinity, maxPairs = Infinity } = options;
  const hash = createHash('sha256');
  const pairs: TokenPair[] = [];
  let numRead = 0;
  let numTooLong = 0;
  read: for await (const texts of source.pairs(context.signal)) {
    const ids = encodeEnded(tokenizer, texts.source);
    hash.update(JSON.stringify([texts.source, ...texts.targets]));
    for (const text of texts.targets) {
      if (numRead === maxPairs) break read;
      numRead++;
      const target = encodeEnded(targetTokenizer, text);
      if (ids.length > maxSourceTokens || target.length > maxTargetTokens) numTooLong++;
      else pairs.push({ source: ids, target });
      if (numRead % pairsPerTurn !== 0) continue;
      throwIfCancelled(context.signal);
      context.report({ phase: 'tokenize', step: numRead });
      await yieldToEventLoop();
    }
  }
  if (pairs.length === 0)
    throw new AppError(
      'empty_data',
      `data "${source.paths.join('", "')}": no pair is within ${maxSourceTokens} source and ${maxTargetTokens} target tokens (${numTooLong} are longer). Allow more.`,
    );
  const tokenizerHash = targetTokenizer === tokenizer ? tokenizer.hash : `${tokenizer.hash}+${targetTokenizer.hash}`;
  return { pairs, numTooLong, fingerprint: hash.digest('hex'), tokenizerHash };
}

/** The ids of a text as encoder-decoders want them: with what the tokenizer puts around it, and with an end token in any case. */
export function encodeEnded(tokenizer: Tokenizer, text: string): Int32Array {
  const ids = tokenizer.encode(text, { addSpecialTokens: true });
  // BERT's files name no end token, and its post-processor puts one behind every text.
  const last = tokenizer.specialLayout(false).at(-1);
  const end = tokenizer.endTokens[0] ?? (last !== undefined && 'id' in last ? last.id : undefined);
  if (end === undefined)
    throw new AppError(
      'bad_tokenizer',
      'the tokenizer names no end token, which ends sources and targets. Set eos_token in tokenizer_config.json.',
    );
  return end === ids.at(-1) || tokenizer.endTokens.includes(ids.at(-1) ?? -1) ? ids : Int32Array.of(...ids, end);
}

/** A batch of pairs of fixed sizes, padded behind. */
export interface PairBatch {
  /** [B, S] */
  readonly source: HostTensor<'int64'>;
  /** [B, S], true for real tokens. */
  readonly sourceMask: HostTensor<'bool'>;
  /** [B, T], -1 behind the end. */
  readonly labels: HostTensor<'int64'>;
}

export interface PairSamplerOptions {
  /** B */
  readonly batch: number;
  /** S */
  readonly sourceLength: number;
  /** T */
  readonly length: number;
  readonly padToken: number;
  readonly seed: number;
}

/** Puts pairs side by side; none may be longer than the sizes. */
export function pairBatch(
  pairs: readonly TokenPair[],
  { sourceLength: S, length: T, padToken }: Omit<PairSamplerOptions, 'batch' | 'seed'>,
): PairBatch {
  const B = pairs.length;
  const source = hostTensor('int64', [B, S], new BigInt64Array(B * S).fill(BigInt(padToken)));
  const sourceMask = hostTensor('bool', [B, S]);
  const labels = hostTensor('int64', [B, T], new BigInt64Array(B * T).fill(-1n));
  for (const [row, pair] of pairs.entries()) {
    source.data.set(BigInt64Array.from(pair.source, BigInt), row * S);
    sourceMask.data.fill(1, row * S, row * S + pair.source.length);
    labels.data.set(BigInt64Array.from(pair.target, BigInt), row * T);
  }
  return { source, sourceMask, labels };
}

/** Hands pairs out in a new random order each epoch. Equal seeds give equal batches; one restored from a cursor continues bit for bit. */
export class PairSampler {
  readonly #pairs: readonly TokenPair[];
  readonly #options: PairSamplerOptions;
  readonly #order: SeededOrder;

  /** @throws AppError `context_too_long` when a pair is longer than the batches; `empty_data`; `resume_mismatch` for a cursor of other data */
  constructor({ pairs }: PairCorpus, options: PairSamplerOptions, cursor?: SamplerCursor) {
    if (pairs.length === 0) throw new AppError('empty_data', 'sampler: there are no pairs. Give at least one.');
    const { sourceLength, length } = options;
    const long = pairs.findIndex(({ source, target }) => source.length > sourceLength || target.length > length);
    if (long >= 0) {
      const { source, target } = at(pairs, long);
      throw new AppError(
        'context_too_long',
        `sampler: pair ${long} has ${source.length} source and ${target.length} target tokens, batches have room for ${sourceLength} and ${length}. Leave longer pairs out, or raise sourceLength and sequenceLength.`,
      );
    }
    this.#pairs = pairs;
    this.#options = options;
    this.#order = new SeededOrder(pairs.length, 'pairs', options.seed, cursor);
  }

  get cursor(): SamplerCursor {
    return this.#order.cursor;
  }

  next(): PairBatch & SampledExamples {
    const examples = Int32Array.from({ length: this.#options.batch }, () => this.#order.next());
    const chosen = Array.from(examples, (index) => at(this.#pairs, index));
    return { ...pairBatch(chosen, this.#options), examples };
  }
}

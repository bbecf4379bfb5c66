// Decides which texts run together. A pure state machine: no device, no promises, and time only as it is told.
import { AppError, invariant } from '#base';

/** Names one request for as long as it is served. */
export type RowRequestId = number;

/** One text of a request. */
export interface QueuedRow {
  readonly request: RowRequestId;
  /** Its place in the request. */
  readonly index: number;
  readonly tokens: number;
}

export interface RowQueueOptions {
  /** Tokens of a batch, padding included; a longer text runs by itself. */
  readonly batchTokens: number;
  /** Texts of a batch. */
  readonly batchRows: number;
  /** How long the first request of a batch waits for others while nothing runs; 0: not at all. */
  readonly maxDelayMs: number;
  /** Padding that a batch may have, as a share of its tokens, 0..1; texts of other lengths then run in batches of their own. */
  readonly maxPadding: number;
  /** Tokens that may wait; requests that come then are refused. */
  readonly queueTokens: number;
}

/** What waits, and what batches were like since the queue was made. */
export interface RowGauges {
  readonly waitingRequests: number;
  readonly waitingRows: number;
  readonly waitingTokens: number;
  readonly batches: number;
  readonly rows: number;
  readonly tokens: number;
  /** Places of batches, as if all texts were as long as the longest, that held no token; the padding waste is paddedTokens / (tokens + paddedTokens). */
  readonly paddedTokens: number;
}

/** What to do next: run texts, or wait for more. */
export type RowPlan = { readonly kind: 'run'; readonly rows: readonly QueuedRow[] } | { readonly kind: 'wait'; readonly ms: number };

interface Waiting {
  readonly id: RowRequestId;
  readonly sinceMs: number;
  /** Texts by length bucket, the next one last. */
  readonly buckets: Map<number, QueuedRow[]>;
  tokens: number;
  /** Tokens that ran for it, counted from those of the least served when it came. */
  served: number;
}

/** What a refused client is told: about as long as a few batches take. */
const retryAfterMs = 1000;

/**
 * The largest length that belongs with `tokens`: steps of 8, and of an eighth for long texts, so that padding inside a bucket is small.
 */
export function lengthBucket(tokens: number): number {
  const step = Math.max(8, 2 ** (Math.floor(Math.log2(Math.max(1, tokens - 1))) - 3));
  return Math.max(1, Math.ceil(tokens / step)) * step;
}

/**
 * A batch begins with the longest text of the request that was served least; then every request in turn, again the least served first, adds texts
 * of that length bucket, and of the nearest other buckets while padding stays small. So a request of one text waits for about one batch of each of
 * the others, not for the thousand texts of its neighbour, and no text waits for ever: whoever was served least comes next.
 *
 * A text waits → is taken into a batch, or is dropped with its request. A request is gone when its last text is taken.
 */
export class RowQueue {
  readonly #options: RowQueueOptions;
  /** In the order in which they came. */
  readonly #waiting = new Map<RowRequestId, Waiting>();
  #waitingRows = 0;
  #waitingTokens = 0;
  #lastRequests = 0;
  #counts = { batches: 0, rows: 0, tokens: 0, paddedTokens: 0 };

  /** @throws AppError `invalid_argument` */
  constructor(options: RowQueueOptions) {
    const check = (field: keyof RowQueueOptions, holds: boolean, rule: string): void => {
      if (!holds) throw new AppError('invalid_argument', `${field}: must be ${rule}, got ${options[field]}.`, { details: { field } });
    };
    for (const field of ['batchTokens', 'batchRows', 'queueTokens'] as const)
      check(field, Number.isInteger(options[field]) && options[field] >= 1, 'a whole number of at least 1');
    check('maxDelayMs', options.maxDelayMs >= 0, 'at least 0');
    check('maxPadding', options.maxPadding >= 0 && options.maxPadding <= 1, '0..1');
    this.#options = options;
  }

  get gauges(): RowGauges {
    return {
      waitingRequests: this.#waiting.size,
      waitingRows: this.#waitingRows,
      waitingTokens: this.#waitingTokens,
      ...this.#counts,
    };
  }

  /**
   * Takes a request in; one that finds nobody waiting is taken whatever its size.
   *
   * @param lengths - tokens of its texts, at least one text
   * @throws AppError `overloaded`
   */
  add(id: RowRequestId, lengths: readonly number[], nowMs: number): void {
    invariant(!this.#waiting.has(id) && lengths.length > 0, `request ${id} is new and has texts`);
    const tokens = lengths.reduce((sum, length) => sum + length, 0);
    const { queueTokens } = this.#options;
    if (this.#waiting.size > 0 && this.#waitingTokens + tokens > queueTokens)
      throw new AppError('overloaded', `${this.#waitingTokens} tokens of other requests wait already, of at most ${queueTokens}.`, {
        details: { waitingTokens: this.#waitingTokens, queueTokens, retryAfterMs },
      });
    const buckets = new Map<number, QueuedRow[]>();
    const rows = lengths.map((length, index): QueuedRow => ({ request: id, index, tokens: length }));
    for (const row of rows.sort((left, right) => left.tokens - right.tokens)) {
      const bucket = lengthBucket(row.tokens);
      const known = buckets.get(bucket);
      if (known === undefined) buckets.set(bucket, [row]);
      else known.push(row);
    }
    const served = [...this.#waiting.values()].reduce((least, other) => Math.min(least, other.served), Number.POSITIVE_INFINITY);
    this.#waiting.set(id, { id, sinceMs: nowMs, buckets, tokens, served: Number.isFinite(served) ? served : 0 });
    this.#waitingRows += lengths.length;
    this.#waitingTokens += tokens;
  }

  /** Drops what a request still has waiting. Unknown ids are ignored. */
  remove(id: RowRequestId): void {
    const request = this.#waiting.get(id);
    if (request === undefined) return;
    this.#waiting.delete(id);
    for (const rows of request.buckets.values()) this.#waitingRows -= rows.length;
    this.#waitingTokens -= request.tokens;
  }

  /** What to do now that nothing runs; undefined: nothing waits. */
  next(nowMs: number): RowPlan | undefined {
    const oldest = this.#waiting.values().next().value;
    if (oldest === undefined) return undefined;
    const { batchTokens, maxDelayMs } = this.#options;
    // Where nobody else was about, waiting would only cost time.
    const isAlone = this.#waiting.size === 1 && this.#lastRequests <= 1;
    const ms = oldest.sinceMs + maxDelayMs - nowMs;
    if (!isAlone && ms > 0 && this.#waitingTokens < batchTokens) return { kind: 'wait', ms };
    return { kind: 'run', rows: this.#take() };
  }

  #take(): readonly QueuedRow[] {
    const { batchTokens, batchRows, maxPadding } = this.#options;
    const rows: QueuedRow[] = [];
    let longest = 0;
    let tokens = 0;
    const fits = (length: number): boolean => {
      const padded = (rows.length + 1) * Math.max(longest, length);
      return rows.length === 0 || (padded <= batchTokens && rows.length < batchRows && 1 - (tokens + length) / padded <= maxPadding);
    };
    const seed = this.#leastServed();
    const first = Math.max(...seed.buckets.keys());
    const known = new Set([...this.#waiting.values()].flatMap(({ buckets }) => [...buckets.keys()]));
    for (const bucket of [...known].sort((left, right) => Math.abs(left - first) - Math.abs(right - first)))
      for (let request = rows.length === 0 ? seed : this.#leastServed(bucket); ; request = this.#leastServed(bucket)) {
        const row = request?.buckets.get(bucket)?.at(-1);
        if (request === undefined || row === undefined || !fits(row.tokens)) break;
        this.#takeRow(request, bucket, row);
        rows.push(row);
        longest = Math.max(longest, row.tokens);
        tokens += row.tokens;
      }
    this.#lastRequests = new Set(rows.map(({ request }) => request)).size;
    this.#counts = {
      batches: this.#counts.batches + 1,
      rows: this.#counts.rows + rows.length,
      tokens: this.#counts.tokens + tokens,
      paddedTokens: this.#counts.paddedTokens + rows.length * longest - tokens,
    };
    return rows;
  }

  /** Of equals the one that came first. */
  #leastServed(): Waiting;
  #leastServed(bucket: number): Waiting | undefined;
  #leastServed(bucket?: number): Waiting | undefined {
    let least: Waiting | undefined;
    for (const request of this.#waiting.values())
      if ((bucket === undefined || request.buckets.has(bucket)) && (least === undefined || request.served < least.served)) least = request;
    invariant(least !== undefined || bucket !== undefined, 'a request waits');
    return least;
  }

  #takeRow(request: Waiting, bucket: number, row: QueuedRow): void {
    const left = request.buckets.get(bucket);
    left?.pop();
    if (left?.length === 0) request.buckets.delete(bucket);
    request.tokens -= row.tokens;
    request.served += row.tokens;
    this.#waitingRows -= 1;
    this.#waitingTokens -= row.tokens;
    if (request.buckets.size === 0) this.#waiting.delete(request.id);
  }
}

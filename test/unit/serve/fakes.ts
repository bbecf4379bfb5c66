// A tokenizer of single bytes, and a device that follows a rule: what generations are tested with.
import type { AppError } from '#base';
import type { Arrangement, Deliver, SequenceId, Step, StepExecutor, StepShare } from '#serve';
import type { Tokenizer } from '#text';

const encoder = new TextEncoder();

/** Token i is byte i; 256 begins, 257 ends. */
export const byteTokenizer: Tokenizer = {
  vocabularySize: 258,
  hash: 'bytes',
  beginToken: 256,
  endTokens: [257],
  specialTokens: new Set([256, 257]),
  pieces: { bytes: (id) => (id < 256 ? Uint8Array.of(id) : new Uint8Array(0)), leadingCut: { character: ' ', count: 0 } },
  encode: (text) => Int32Array.from(encoder.encode(text)),
  decode: (ids) => new TextDecoder().decode(Uint8Array.from(Array.from(ids).filter((id) => id < 256))),
  specialLayout: (isPair) => [{ part: 0, type: 0 }, ...(isPair ? [{ part: 1, type: 1 } as const] : [])],
  tokenToId: () => undefined,
  idToToken: () => undefined,
};

/** Logits whose likeliest token is `id`; no numbers for NaN. */
export function logitsFor(id: number): Float32Array {
  const logits = new Float32Array(258);
  if (Number.isNaN(id)) return logits.fill(id);
  logits[id] = 10;
  return logits;
}

export function bytesOf(text: string): number[] {
  return [...encoder.encode(text)];
}

function concatenated(rows: readonly Float32Array[]): Float32Array {
  return Float32Array.from(rows.flatMap((row) => [...row]));
}

/** Continues each sequence by a rule over all its tokens, remembers every step, and keeps the tokens of every row as a device keeps their keys. */
export class FakeExecutor implements StepExecutor {
  readonly steps: (readonly StepShare[])[] = [];
  readonly sequences = new Map<SequenceId, readonly number[]>();
  readonly arrangements: Arrangement[] = [];
  /** Called before a step ends, for tests that interfere. */
  onStep: (step: number, signal?: AbortSignal) => Promise<void> | void = () => {};
  /** Called for each share; an error takes the place of its logits. */
  onShare: (share: StepShare) => AppError | undefined = () => undefined;
  /** Called before the cache changes its size. */
  onArrange: (arrangement: Arrangement) => void = () => {};
  isCleared = true;
  #rows: number[][] = [];
  readonly #next: (tokens: readonly number[]) => number | Float32Array;

  /** @param next - the likeliest token, or logits */
  constructor(next: (tokens: readonly number[]) => number | Float32Array) {
    this.#next = next;
  }

  async arrange(arrangement: Arrangement): Promise<void> {
    this.arrangements.push(arrangement);
    this.onArrange(arrangement);
    this.#rows = arrangement.from.map((row) => (row === undefined ? [] : (this.#rows[row] ?? [])));
    this.isCleared = false;
  }

  clear(): void {
    this.#rows = [];
    this.isCleared = true;
  }

  async run({ copies, shares }: Step, deliver: Deliver, signal?: AbortSignal): Promise<void> {
    this.steps.push(shares);
    for (const { from, to } of copies) this.#rows[to] = [...(this.#rows[from] ?? [])];
    await this.onStep(this.steps.length, signal);
    for (const share of shares) {
      const { id, row, start, tokens, wantsLogits } = share;
      const before = this.#rows[row]?.slice(0, start);
      if (before?.length !== start) throw new Error(`row ${row} has ${before?.length} tokens instead of ${start}`);
      const all = [...before, ...tokens];
      this.#rows[row] = all;
      this.sequences.set(id, all);
      const made = tokens.map((_, index) => this.#logits(all.slice(0, start + index + 1)));
      const wanted = { none: undefined, best: made.at(-1), last: made.at(-1), all: concatenated(made) }[wantsLogits];
      deliver(id, this.onShare(share) ?? wanted);
    }
  }

  #logits(tokens: readonly number[]): Float32Array {
    const next = this.#next(tokens);
    return typeof next === 'number' ? logitsFor(next) : next;
  }
}

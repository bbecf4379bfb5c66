// A tokenizer of single bytes, and a device that follows a rule: what generations are tested with.
import type { AppError } from '#base';
import type { SequenceId, StepExecutor, StepShare } from '#serve';
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

/** Continues each sequence by a rule over all its tokens, and remembers every step. */
export class FakeExecutor implements StepExecutor {
  readonly steps: (readonly StepShare[])[] = [];
  readonly sequences = new Map<SequenceId, number[]>();
  readonly released: SequenceId[] = [];
  /** Called before a step ends, for tests that interfere. */
  onStep: (step: number, signal?: AbortSignal) => Promise<void> | void = () => {};
  readonly #next: (tokens: readonly number[]) => number;

  constructor(next: (tokens: readonly number[]) => number) {
    this.#next = next;
  }

  async run(shares: readonly StepShare[], signal?: AbortSignal): Promise<ReadonlyMap<SequenceId, Float32Array | AppError>> {
    this.steps.push(shares);
    await this.onStep(this.steps.length, signal);
    const results = new Map<SequenceId, Float32Array>();
    for (const { id, tokens, wantsLogits, start = this.sequences.get(id)?.length ?? 0 } of shares) {
      const all = [...(this.sequences.get(id) ?? []).slice(0, start), ...tokens];
      this.sequences.set(id, all);
      if (wantsLogits === 'last') results.set(id, logitsFor(this.#next(all)));
      if (wantsLogits === 'all')
        results.set(id, concatenated(tokens.map((_, index) => logitsFor(this.#next(all.slice(0, start + index + 1))))));
    }
    return results;
  }

  release(id: SequenceId): void {
    this.released.push(id);
  }
}

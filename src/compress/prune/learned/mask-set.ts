// Which weights of the chosen matrices are zero while a model trains: chosen on the host by scores, with exact counts.
import { AppError, at, invariant } from '#base';
import type { Steps } from '#linalg';
import { countKept, type HostTensor, hostTensor, packFlags, unpackFlags } from '#tensor';
import { countSmallest, dropSmallest } from '../smallest.ts';

/** One matrix. */
export interface MaskedSlot {
  /** Its stored name. */
  readonly stored: string;
  readonly shape: readonly number[];
  /** n */
  readonly size: number;
  /** One flag a weight; 0 where it was zero before. */
  readonly former: Uint8Array | undefined;
}

export interface MaskChoice {
  /** Share of the weights that are zero. */
  readonly sparsity: number;
  readonly scope: 'layer' | 'global';
  /** What is zero stays zero. */
  readonly keepsZeros: boolean;
}

/** One flag (0 or 1) for each weight of each matrix, in the order in which it is stored. */
export class MaskSet {
  readonly slots: readonly MaskedSlot[];
  #flags: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

  constructor(slots: readonly MaskedSlot[]) {
    this.slots = slots;
    this.#flags = new Map(
      slots.map(({ stored, size, former }) => [stored, former === undefined ? new Uint8Array(size).fill(1) : Uint8Array.from(former)]),
    );
  }

  flags(stored: string): Uint8Array<ArrayBuffer> {
    const flags = this.#flags.get(stored);
    invariant(flags !== undefined, `${stored} is masked`);
    return flags;
  }

  /** bool, of the slot's own shape. */
  tensor({ stored, shape }: MaskedSlot): HostTensor<'bool'> {
    return hostTensor('bool', shape, this.flags(stored));
  }

  /**
   * Keeps the highest scores: ⌊sparsity·n⌋ weights of each matrix are zero, or with the scope `global` as many of all together. Of equal scores the first go
   * first; what was zero before the training is always among them.
   *
   * @param scoresOf - any numbers, in the order of the weights
   */
  *choose(scoresOf: (slot: MaskedSlot) => Float32Array, { sparsity, scope, keepsZeros }: MaskChoice): Steps<void> {
    const ranked = (slot: MaskedSlot): Float32Array => {
      const scores = scoresOf(slot);
      invariant(scores.length === slot.size, `one score for each weight of ${slot.stored}`);
      const kept = keepsZeros ? this.flags(slot.stored) : slot.former;
      return kept === undefined ? scores : scores.map((score, index) => (kept[index] === 0 ? Number.NEGATIVE_INFINITY : score));
    };
    const wanted = this.slots.map(({ size }) => Math.floor(sparsity * size * (1 + Number.EPSILON)));
    const total = wanted.reduce((sum, count) => sum + count, 0);
    const counts =
      scope === 'layer'
        ? wanted
        : yield* countSmallest(
            this.slots.map((slot) => () => ranked(slot)),
            total,
          );
    const made = new Map<string, Uint8Array<ArrayBuffer>>();
    for (const [index, slot] of this.slots.entries()) {
      const scores = ranked(slot);
      const lost = scores.reduce((count, score) => count + (score === Number.NEGATIVE_INFINITY ? 1 : 0), 0);
      const flags = new Uint8Array(slot.size).fill(1);
      yield* dropSmallest(scores, Math.max(at(counts, index), lost), flags);
      made.set(slot.stored, flags);
    }
    this.#flags = made;
  }

  /** Keeps what `keeps` says. */
  set(keeps: (slot: MaskedSlot) => Uint8Array<ArrayBuffer>): void {
    this.#flags = new Map(this.slots.map((slot) => [slot.stored, keeps(slot)]));
  }

  /** Zeros of all matrices, and all of their weights. */
  counts(): { readonly zeros: number; readonly weights: number } {
    const weights = this.slots.reduce((sum, { size }) => sum + size, 0);
    const kept = this.slots.reduce((sum, { stored }) => sum + countKept(packFlags(this.flags(stored))), 0);
    return { zeros: weights - kept, weights };
  }

  /** Plain JSON that `restore` takes. */
  save(): Record<string, string> {
    return Object.fromEntries([...this.#flags].map(([stored, flags]) => [stored, Buffer.from(packFlags(flags)).toString('base64')]));
  }

  /** @throws AppError `resume_mismatch` */
  restore(saved: unknown): void {
    const given = typeof saved === 'object' && saved !== null ? (saved as Readonly<Record<string, unknown>>) : {};
    this.#flags = new Map(
      this.slots.map(({ stored, size }) => {
        const text = given[stored];
        const bytes = typeof text === 'string' ? new Uint8Array(Buffer.from(text, 'base64')) : new Uint8Array();
        if (bytes.length !== Math.ceil(size / 8)) throw new AppError('resume_mismatch', `checkpoint: the mask of ${stored} is not there.`);
        return [stored, unpackFlags(bytes, size)];
      }),
    );
  }
}

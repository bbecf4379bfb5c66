// Finds stop strings in streamed text, also where they span several pieces.
import { AppError } from '#base';

export interface StopResult {
  /** Text that is final: no part of it can belong to a stop string any more. */
  readonly text: string;
  /** The stop string that was found; the text before it has then been returned, the rest is dropped. */
  readonly stop?: string;
}

/**
 * Passes text through until a stop string is complete.
 *
 * The match that ends first wins, and of several that end together the longest; so the result does not depend on how the text was
 * cut into pieces. At most the longest stop string minus one character is held back.
 */
export class StopMatcher {
  readonly #stops: readonly string[];
  #held = '';
  #stopped: string | undefined;

  /** @throws AppError `invalid_argument` for an empty stop string */
  constructor(stops: readonly string[]) {
    if (stops.includes('')) throw new AppError('invalid_argument', 'stop: an empty stop string matches everywhere. Remove it.');
    this.#stops = [...new Set(stops)];
  }

  get stopped(): string | undefined {
    return this.#stopped;
  }

  push(text: string): StopResult {
    if (this.#stopped !== undefined) return { text: '', stop: this.#stopped };
    const whole = this.#held + text;
    const match = this.#firstMatch(whole);
    if (match !== undefined) {
      this.#stopped = match.stop;
      this.#held = '';
      return { text: whole.slice(0, match.start), stop: match.stop };
    }
    const heldLength = this.#possiblePrefix(whole);
    this.#held = whole.slice(whole.length - heldLength);
    return { text: whole.slice(0, whole.length - heldLength) };
  }

  /** Ends the stream and returns what was held back; empty after a match. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  #firstMatch(text: string): { readonly start: number; readonly stop: string } | undefined {
    let best: { readonly start: number; readonly stop: string } | undefined;
    let bestEnd = Number.POSITIVE_INFINITY;
    for (const stop of this.#stops) {
      const start = text.indexOf(stop);
      const end = start + stop.length;
      if (start < 0 || end > bestEnd || (end === bestEnd && best !== undefined && start >= best.start)) continue;
      best = { start, stop };
      bestEnd = end;
    }
    return best;
  }

  /** Length of the longest end of `text` that a stop string begins with. */
  #possiblePrefix(text: string): number {
    let longest = 0;
    for (const stop of this.#stops)
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--)
        if (text.endsWith(stop.slice(0, length))) longest = length;
    return longest;
  }
}

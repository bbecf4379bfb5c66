// Tokenizes long texts in chunks that give the same ids as the whole would.
import type { Tokenizer } from './tokenizer.ts';

/** Characters on each side of a cut on which the check looks. */
const contextCharacters = 64;
/** Cuts that are tried before more text is waited for. */
const maxCandidates = 16;

interface Cut {
  readonly end: number;
  /** Where the next chunk starts: one further than `end` where the tokenizer itself puts the space back. */
  readonly next: number;
}

/**
 * Collects text and cuts it where words end.
 *
 * A cut before a space or line break is used only if the text around it gives the same ids with and without the cut: pre-tokenizers and
 * merges do not look further. SentencePiece-like tokenizers put a space before every text; there the cut drops the space. Where no
 * cut passes, the text grows up to the whole document.
 */
export class ChunkEncoder {
  readonly #tokenizer: Pick<Tokenizer, 'encode'>;
  readonly #chunkCharacters: number;
  #pending = '';
  /** Length at which cuts are looked for again, so that a text without cuts is not searched at every push. */
  #nextTry: number;

  constructor(tokenizer: Pick<Tokenizer, 'encode'>, chunkCharacters: number) {
    this.#tokenizer = tokenizer;
    this.#chunkCharacters = chunkCharacters;
    this.#nextTry = 2 * chunkCharacters;
  }

  /** Adds text and yields the ids of every chunk that is now complete. */
  *push(text: string): Generator<Int32Array> {
    this.#pending += text;
    while (this.#pending.length >= this.#nextTry) {
      const cut = this.#findCut();
      if (cut === undefined) {
        this.#nextTry = this.#pending.length + this.#chunkCharacters;
        return;
      }
      yield this.#encode(this.#pending.slice(0, cut.end));
      this.#pending = this.#pending.slice(cut.next);
      this.#nextTry = 2 * this.#chunkCharacters;
    }
  }

  /** Ends the document and returns the ids of the rest. */
  end(): Int32Array {
    const rest = this.#pending;
    this.#pending = '';
    this.#nextTry = 2 * this.#chunkCharacters;
    return this.#encode(rest);
  }

  #encode(text: string): Int32Array {
    return this.#tokenizer.encode(text, { addSpecialTokens: false });
  }

  #findCut(): Cut | undefined {
    const text = this.#pending;
    const pattern = /(?<=\S)[ \n]/g;
    pattern.lastIndex = this.#chunkCharacters;
    for (let tried = 0; tried < maxCandidates; tried++) {
      const match = pattern.exec(text);
      if (match === null || match.index + contextCharacters > text.length) return undefined;
      const cut = this.#checkCut(text, match.index);
      if (cut !== undefined) return cut;
    }
    return undefined;
  }

  #checkCut(text: string, at: number): Cut | undefined {
    const left = text.slice(Math.max(0, at - contextCharacters), at);
    const right = text.slice(at, at + contextCharacters);
    const whole = this.#encode(left + right);
    const leftIds = this.#encode(left);
    if (isJoined(whole, leftIds, this.#encode(right))) return { end: at, next: at };
    if (right.startsWith(' ') && isJoined(whole, leftIds, this.#encode(right.slice(1)))) return { end: at, next: at + 1 };
    return undefined;
  }
}

function isJoined(whole: Int32Array, left: Int32Array, right: Int32Array): boolean {
  if (whole.length !== left.length + right.length) return false;
  return whole.every((id, index) => id === (index < left.length ? left[index] : right[index - left.length]));
}

// Turns a stream of ids into text as soon as the text is final.
import type { DecodingTable } from './token-pieces.ts';

export interface StreamDecoderOptions {
  readonly skipSpecialTokens: boolean;
  /**
   * Ids that precede the stream, for example the prompt: their text is not returned, but what follows is decoded as its continuation
   * (a space at the start of the first new token is kept).
   */
  readonly after?: ArrayLike<number>;
}

/**
 * Decodes ids one by one.
 *
 * Invariant: the texts of all `push` calls and of `end`, joined, equal `tokenizer.decode` of all ids. Bytes that may still
 * become a character are held back, so text that was handed out never changes.
 */
export class StreamDecoder {
  readonly #tokenizer: DecodingTable;
  readonly #skipSpecialTokens: boolean;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  #isFirst = true;
  #cutLeft: number;

  constructor(tokenizer: DecodingTable, options: StreamDecoderOptions) {
    this.#tokenizer = tokenizer;
    this.#skipSpecialTokens = options.skipSpecialTokens;
    this.#cutLeft = tokenizer.pieces.leadingCut.count;
    const after = options.after ?? [];
    for (let index = 0; index < after.length; index++) this.push(after[index] ?? -1);
  }

  /** Adds one id and returns the text that is now final; often the empty text. */
  push(id: number): string {
    if (this.#skipSpecialTokens && this.#tokenizer.specialTokens.has(id)) return '';
    const bytes = this.#tokenizer.pieces.bytes(id, this.#isFirst);
    this.#isFirst = false;
    return this.#cut(this.#utf8.decode(bytes, { stream: true }));
  }

  /** Ends the stream: what was held back comes out as U+FFFD. */
  end(): string {
    return this.#cut(this.#utf8.decode());
  }

  #cut(text: string): string {
    const { character } = this.#tokenizer.pieces.leadingCut;
    let start = 0;
    while (start < text.length && this.#cutLeft > 0) {
      if (text.charAt(start) !== character) this.#cutLeft = 0;
      else {
        start++;
        this.#cutLeft--;
      }
    }
    return text.slice(start);
  }
}

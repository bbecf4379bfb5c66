// Tokens as OpenAI's API shows them: text where they are whole characters, bytes where they are not.
import type { Tokenizer } from '#text';

/** JSON has no infinities; a token of no probability gets this one. */
const leastLogprob = -9999;

export function finiteLogprob(value: number): number {
  return Number.isFinite(value) ? value : leastLogprob;
}

/** UTF-8 bytes of a token inside a text. */
export function tokenBytes(tokenizer: Tokenizer, id: number): Uint8Array {
  return tokenizer.pieces.bytes(id, false);
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The token's text; `bytes:\xe2\x82` for a part of a character, so that different tokens stay different. */
export function tokenText(tokenizer: Tokenizer, id: number): string {
  const bytes = tokenBytes(tokenizer, id);
  try {
    return strict.decode(bytes);
  } catch {
    return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
  }
}

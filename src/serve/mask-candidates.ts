// What may stand in place of the masks of a text: the likeliest tokens, and the text with each of them.
import { at } from '#base';
import type { Tokenizer } from '#text';

/** A token that may stand in place of a mask. */
export interface MaskCandidate {
  readonly tokenId: number;
  /** Its text by itself. */
  readonly token: string;
  /** 0..1 */
  readonly probability: number;
  /** The whole text with this token in place of this mask; other masks stay. */
  readonly text: string;
}

/** The `count` likeliest tokens for one mask, likeliest first; of equals the smaller id. @param logits - [V] */
export function likeliest(logits: Float32Array, count: number): readonly { readonly tokenId: number; readonly probability: number }[] {
  const best: number[] = [];
  for (let id = 0; id < logits.length; id++) {
    const logit = at(logits, id);
    if (best.length === count && !(logit > at(logits, at(best, count - 1)))) continue;
    let place = best.length;
    while (place > 0 && at(logits, at(best, place - 1)) < logit) place--;
    best.splice(place, 0, id);
    if (best.length > count) best.pop();
  }
  const largest = at(logits, at(best, 0));
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - largest);
  return best.map((tokenId) => ({ tokenId, probability: Math.exp(at(logits, tokenId) - largest) / total }));
}

/** A text around one of its masks. */
export interface MaskedPlace {
  readonly before: string;
  readonly after: string;
}

/** The text around each mask, as the caller wrote it. */
export function maskedPlaces(text: string, mask: string): MaskedPlace[] {
  const places: MaskedPlace[] = [];
  for (let start = text.indexOf(mask); start >= 0; start = text.indexOf(mask, start + mask.length))
    places.push({ before: text.slice(0, start), after: text.slice(start + mask.length) });
  return places;
}

/**
 * The text with a token in a place. Spaces are the caller's: a token that begins a word gets one only where it would grow into the word
 * before it, and a token that continues a word loses those in front of it.
 */
export function filled({ before, after }: MaskedPlace, tokenId: number, tokenizer: Tokenizer): { token: string; text: string } {
  const piece = new TextDecoder().decode(tokenizer.pieces.bytes(tokenId, false));
  const token = piece.trimStart();
  if (piece === token) return { token, text: before.trimEnd() + token + after };
  return { token, text: `${before}${/[\p{L}\p{N}]$/u.test(before) ? ' ' : ''}${token}${after}` };
}

// How likely a model itself takes tokens to be, from one row of logits: before bias, penalties, temperature and filters.
import { at } from '#base';
import { largestIds } from './largest-ids.ts';

/** A token and ln p of it. */
export interface RankedToken {
  readonly id: number;
  readonly logProbability: number;
}

/** A token, and the likeliest ones at its place, likeliest first. */
export interface TokenRanks extends RankedToken {
  readonly top: readonly RankedToken[];
}

/** @param logits - [V]; @param numTop - likeliest tokens to name, 0 or more */
export function rankToken(logits: Float32Array, id: number, numTop: number): TokenRanks {
  let largest = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < logits.length; index++) largest = Math.max(largest, logits[index] ?? 0);
  let total = 0;
  for (let index = 0; index < logits.length; index++) total += Math.exp((logits[index] ?? 0) - largest);
  const logTotal = largest + Math.log(total);
  const rank = (token: number): RankedToken => ({ id: token, logProbability: at(logits, token) - logTotal });
  const likeliest = numTop === 0 ? [] : Array.from(largestIds(logits, Math.min(numTop, logits.length)), rank);
  return { ...rank(id), top: likeliest.sort((left, right) => right.logProbability - left.logProbability || left.id - right.id) };
}

// The pairs of a ScoreRequest: each side is a text or token ids, never both.
import { AppError } from '#base';
import type { ScoreRequest } from '#evaluate';
import type { ScorePair__Output } from '../gen/athanor/v1/ScorePair.ts';
import type { TokenIds__Output } from '../gen/athanor/v1/TokenIds.ts';

/** @throws AppError `invalid_argument` */
export function scoreRequest(pair: ScorePair__Output, index: number): ScoreRequest {
  return {
    context: side(pair.context, pair.contextTokens, `pairs[${index}].context`),
    continuation: side(pair.continuation, pair.continuationTokens, `pairs[${index}].continuation`),
  };
}

function side(text: string, tokens: TokenIds__Output | null, field: string): string | readonly number[] {
  if (tokens === null) return text;
  if (text !== '') throw new AppError('invalid_argument', `${field}: give a text or ${field}_tokens, not both.`, { details: { field } });
  return tokens.ids;
}

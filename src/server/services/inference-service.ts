// InferenceService: generating, scoring, classifying, embedding, filling in masks, tokenizing.
import { AppError, quietContext } from '#base';
import type { InferenceBackend } from '#jobs';
import type { CallGate } from '../calls.ts';
import type { InferenceServiceHandlers } from '../gen/athanor/v1/InferenceService.ts';
import { distributions } from './distributions.ts';
import { encoderCalls } from './encoder-calls.ts';
import { generate } from './generate.ts';
import { scoreRequest } from './score-pairs.ts';

export function inferenceService(gate: CallGate, inference: InferenceBackend): InferenceServiceHandlers {
  return {
    ...encoderCalls(gate, inference),
    Generate: gate.serverStream((request, { signal }) => generate(inference, request, signal)),
    Score: gate.unary(async ({ model, pairs }, { signal }) => {
      if (pairs.length === 0)
        throw new AppError('invalid_argument', 'pairs: must hold at least one pair.', { details: { field: 'pairs' } });
      return { scores: [...(await inference.score(model, pairs.map(scoreRequest), { ...quietContext, signal }))] };
    }),
    Distributions: gate.serverStream((request, { signal }) => distributions(inference, request, signal)),
    Tokenize: gate.unary(async ({ model, text, specialTokens = true }) => ({
      ids: Array.from(await inference.tokenize(model, text, specialTokens)),
    })),
    Detokenize: gate.unary(async ({ model, ids }) => ({ text: await inference.detokenize(model, ids) })),
  };
}

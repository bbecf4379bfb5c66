// InferenceService: generating, scoring, classifying, embedding, filling in masks, tokenizing.
import { AppError, quietContext } from '#base';
import type { InferenceBackend } from '#jobs';
import type { CallGate } from '../calls.ts';
import type { FinishReason } from '../gen/athanor/v1/FinishReason.ts';
import type { GenerateRequest__Output } from '../gen/athanor/v1/GenerateRequest.ts';
import type { GenerateResponse } from '../gen/athanor/v1/GenerateResponse.ts';
import type { InferenceServiceHandlers } from '../gen/athanor/v1/InferenceService.ts';
import { encoderCalls } from './encoder-calls.ts';

const finishReasons = {
  end: 'FINISH_REASON_END',
  stop: 'FINISH_REASON_STOP',
  length: 'FINISH_REASON_LENGTH',
} as const satisfies Record<string, FinishReason>;

export function inferenceService(gate: CallGate, inference: InferenceBackend): InferenceServiceHandlers {
  return {
    ...encoderCalls(gate, inference),
    Generate: gate.serverStream((request, { signal }) => generate(inference, request, signal)),
    Score: gate.unary(async ({ model, pairs }, { signal }) => {
      if (pairs.length === 0)
        throw new AppError('invalid_argument', 'pairs: must hold at least one pair.', { details: { field: 'pairs' } });
      return { scores: [...(await inference.score(model, pairs, { ...quietContext, signal }))] };
    }),
    Tokenize: gate.unary(async ({ model, text, specialTokens = true }) => ({
      ids: Array.from(await inference.tokenize(model, text, specialTokens)),
    })),
    Detokenize: gate.unary(async ({ model, ids }) => ({ text: await inference.detokenize(model, ids) })),
  };
}

async function* generate(
  inference: InferenceBackend,
  request: GenerateRequest__Output,
  signal: AbortSignal,
): AsyncGenerator<GenerateResponse> {
  const { model, prompt, maxNewTokens, temperature, topK, topP, seed, stop, ignoreEnd } = request;
  if (prompt === undefined) throw new AppError('invalid_argument', 'prompt: give a text or token ids.', { details: { field: 'prompt' } });
  const events = inference.generate(
    model,
    {
      prompt: prompt === 'text' ? (request.text ?? '') : (request.tokens?.ids ?? []),
      ...(maxNewTokens === undefined ? {} : { maxNewTokens }),
      sampling: {
        ...(temperature === undefined ? {} : { temperature }),
        ...(topK === undefined ? {} : { topK }),
        ...(topP === undefined ? {} : { topP }),
        ...(seed === undefined ? {} : { seed }),
      },
      stop,
      ignoreEnd,
    },
    signal,
  );
  for await (const event of events) {
    if (event.kind === 'token') yield { text: event.text, tokenIds: [event.token.id] };
    else if (event.reason === 'cancelled') throw new AppError('cancelled', 'the generation was cancelled.');
    else {
      const { promptTokens, generatedTokens, firstTokenMs = 0, totalMs } = event.usage;
      yield {
        text: event.text,
        finishReason: finishReasons[event.reason],
        usage: { promptTokens, generatedTokens, firstTokenMs, totalMs },
      };
    }
  }
}

// Generate: from its message to a request, and from events to its messages.
import { AppError } from '#base';
import type { GenerationEvent, GenerationRequest, InferenceBackend, TokenLogprobs } from '#jobs';
import type { FinishReason } from '../gen/athanor/v1/FinishReason.ts';
import type { GenerateRequest__Output } from '../gen/athanor/v1/GenerateRequest.ts';
import type { GenerateResponse } from '../gen/athanor/v1/GenerateResponse.ts';
import type { TokenLogprob } from '../gen/athanor/v1/TokenLogprob.ts';

const finishReasons = {
  end: 'FINISH_REASON_END',
  stop: 'FINISH_REASON_STOP',
  length: 'FINISH_REASON_LENGTH',
} as const satisfies Record<string, FinishReason>;

export async function* generate(
  inference: InferenceBackend,
  message: GenerateRequest__Output,
  signal: AbortSignal,
): AsyncGenerator<GenerateResponse> {
  for await (const event of inference.generate(message.model, toRequest(message), signal)) yield toResponse(event);
}

function toRequest(message: GenerateRequest__Output): GenerationRequest {
  const { prompt, text = '', tokens, stop, stopTokenIds, ignoreEnd, draftModel, logitBias } = message;
  if (prompt === undefined) throw new AppError('invalid_argument', 'prompt: give a text or token ids.', { details: { field: 'prompt' } });
  return {
    prompt: prompt === 'text' ? text : (tokens?.ids ?? []),
    sampling: {
      ...given(message, ['temperature', 'topK', 'topP', 'minP', 'repetitionPenalty', 'frequencyPenalty', 'presencePenalty', 'seed']),
      logitBias: new Map(Object.entries(logitBias).map(([id, bias]) => [Number(id), bias])),
    },
    stop,
    stopTokenIds,
    ignoreEnd,
    ...given(message, ['maxNewTokens', 'minNewTokens', 'n', 'bestOf', 'logprobs', 'promptLogprobs']),
    ...given(message, ['priority', 'queueTimeoutMs', 'draftTokens']),
    ...(draftModel === '' ? {} : { draftModel }),
  };
}

/** Those of the fields that the message has. */
function given<Key extends keyof GenerateRequest__Output>(
  message: GenerateRequest__Output,
  fields: readonly Key[],
): { [Field in Key]?: Exclude<GenerateRequest__Output[Field], undefined> } {
  return Object.fromEntries(fields.filter((field) => message[field] !== undefined).map((field) => [field, message[field]])) as {
    [Field in Key]?: Exclude<GenerateRequest__Output[Field], undefined>;
  };
}

function toResponse(event: GenerationEvent): GenerateResponse {
  const { kind, text } = event;
  if (kind === 'prompt') return { text, promptLogprobs: event.logprobs.map(toTokenLogprob) };
  const { index } = event;
  if (kind === 'token') {
    const { token, logprobs } = event;
    return { text, index, tokenIds: [token.id], ...(logprobs === undefined ? {} : { logprobs: [toTokenLogprob(logprobs)] }) };
  }
  const { reason, stop, usage } = event;
  if (reason === 'cancelled') throw new AppError('cancelled', 'the generation was cancelled.');
  return { text, index, finishReason: finishReasons[reason], usage, ...(stop === undefined ? {} : { stop }) };
}

function toTokenLogprob({ id, text, logProbability, top }: Omit<TokenLogprobs, 'top'> & Partial<Pick<TokenLogprobs, 'top'>>): TokenLogprob {
  return {
    id,
    text,
    ...(logProbability === undefined ? {} : { logprob: logProbability }),
    ...(top === undefined ? {} : { top: top.map((token) => toTokenLogprob(token)) }),
  };
}

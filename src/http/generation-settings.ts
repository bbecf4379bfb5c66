// From the fields of a request to what the model is asked for.
import { randomInt } from 'node:crypto';
import type { GenerationRequest } from '#serve';
import type { SamplingFields } from './request-schemas.ts';

export type GenerationSettings = Omit<GenerationRequest, 'prompt' | 'maxNewTokens' | 'logprobs' | 'promptLogprobs' | 'bestOf'>;

/** As OpenAI's API defines it, a request without a temperature is drawn at 1, and one without a seed differs every time. */
const defaultTemperature = 1;

export function generationSettings(fields: SamplingFields): GenerationSettings {
  const { temperature = defaultTemperature, top_p, top_k, min_p, repetition_penalty, frequency_penalty, presence_penalty } = fields;
  const { logit_bias, seed = randomInt(2 ** 31), stop, stop_token_ids, min_tokens, ignore_eos, n, priority } = fields;
  return {
    sampling: {
      temperature,
      seed,
      ...(top_p === undefined ? {} : { topP: top_p }),
      // vLLM's name for all of them.
      ...(top_k === undefined ? {} : { topK: top_k === -1 ? 0 : top_k }),
      ...(min_p === undefined ? {} : { minP: min_p }),
      ...(repetition_penalty === undefined ? {} : { repetitionPenalty: repetition_penalty }),
      ...(frequency_penalty === undefined ? {} : { frequencyPenalty: frequency_penalty }),
      ...(presence_penalty === undefined ? {} : { presencePenalty: presence_penalty }),
      ...(logit_bias === undefined ? {} : { logitBias: new Map(Object.entries(logit_bias).map(([id, bias]) => [Number(id), bias])) }),
    },
    // An empty stop text is what some clients send for none.
    stop: (typeof stop === 'string' ? [stop] : (stop ?? [])).filter((text) => text !== ''),
    ...(stop_token_ids === undefined ? {} : { stopTokenIds: stop_token_ids }),
    ...(min_tokens === undefined ? {} : { minNewTokens: min_tokens }),
    ...(ignore_eos === undefined ? {} : { ignoreEnd: ignore_eos }),
    ...(n === undefined ? {} : { n }),
    ...(priority === undefined ? {} : { priority }),
  };
}

// The generations of one HTTP request, side by side, and what becomes of their events.
import { setMaxListeners } from 'node:events';
import { AppError, at } from '#base';
import type { InferenceBackend } from '#jobs';
import type { FinishReason, GenerationEvent, GenerationRequest, TokenLogprobs } from '#serve';

/** What a front end does with the events; called at once, never waited for. */
export interface GenerationSink {
  /** The log probabilities of a prompt, where they were asked for, before its first piece. */
  prompt(promptIndex: number, logprobs: readonly TokenLogprobs[]): void;
  piece(choice: number, piece: Piece): void;
}

/** What one continuation gained. */
export interface Piece {
  readonly text: string;
  readonly tokens: number;
  readonly logprobs: readonly TokenLogprobs[];
  readonly reason?: 'stop' | 'length';
}

/** Tokens of the whole request. */
export interface RequestUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

const finishReasons: Readonly<Record<Exclude<FinishReason, 'cancelled'>, 'stop' | 'length'>> = {
  end: 'stop',
  stop: 'stop',
  length: 'length',
};

/** Prompts of one request that wait for the model at the same time, so that one request does not fill the queue. */
const sideBySide = 32;

/**
 * Runs every prompt to its end. Choice `p * n + i` is continuation i of prompt p.
 *
 * @throws AppError of the first that fails, after the others have been stopped; `cancelled` when the signal was aborted
 */
export async function runGenerations(
  inference: InferenceBackend,
  model: string,
  requests: readonly GenerationRequest[],
  signal: AbortSignal,
  sink: GenerationSink,
): Promise<RequestUsage> {
  const stop = new AbortController();
  const all = AbortSignal.any([signal, stop.signal]);
  // Every generation listens to it.
  setMaxListeners(0, all);
  let [promptTokens, generatedTokens, cachedTokens] = [0, 0, 0];
  const run = async (promptIndex: number): Promise<void> => {
    const request = at(requests, promptIndex);
    const first = promptIndex * (request.n ?? 1);
    let counted = 0;
    for await (const event of inference.generate(model, request, all)) {
      if (event.kind === 'prompt') sink.prompt(promptIndex, event.logprobs);
      else sink.piece(first + event.index, pieceOf(event));
      if (event.kind !== 'finished') continue;
      // All continuations share one prompt.
      counted = Math.max(counted, event.usage.promptTokens);
      generatedTokens += event.usage.generatedTokens;
      cachedTokens += event.index === 0 ? event.usage.cachedPromptTokens : 0;
    }
    promptTokens += counted;
  };
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < requests.length) await run(next++);
  };
  try {
    await Promise.all(Array.from({ length: Math.min(sideBySide, requests.length) }, work));
  } catch (error) {
    stop.abort();
    throw error;
  }
  return {
    prompt_tokens: promptTokens,
    completion_tokens: generatedTokens,
    total_tokens: promptTokens + generatedTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

function pieceOf(event: Exclude<GenerationEvent, { readonly kind: 'prompt' }>): Piece {
  if (event.kind === 'token') return { text: event.text, tokens: 1, logprobs: event.logprobs === undefined ? [] : [event.logprobs] };
  if (event.reason === 'cancelled') throw new AppError('cancelled', 'the generation was cancelled.');
  return { text: event.text, tokens: 0, logprobs: [], reason: finishReasons[event.reason] };
}

/** Two pieces of one continuation as one. */
export function joinPieces(left: Piece, right: Piece): Piece {
  const reason = right.reason ?? left.reason;
  return {
    text: left.text + right.text,
    tokens: left.tokens + right.tokens,
    logprobs: [...left.logprobs, ...right.logprobs],
    ...(reason === undefined ? {} : { reason }),
  };
}

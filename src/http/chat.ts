// POST /v1/chat/completions: the next message of a conversation.
import type { GenerationRequest, TokenLogprobs } from '#serve';
import type { Tokenizer } from '#text';
import { chatPrompt } from './chat-prompt.ts';
import { badField } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { generationSettings } from './generation-settings.ts';
import { PieceStream } from './piece-stream.ts';
import { type ChatRequest, readChat } from './request-schemas.ts';
import { type Piece, runGenerations } from './run-generations.ts';
import { type AnswerHead, answerHead, type Services } from './services.ts';
import { finiteLogprob, tokenBytes, tokenText } from './token-text.ts';

export async function chatCompletions(exchange: Exchange, services: Services, body: unknown, pathModel?: string): Promise<void> {
  const request = readChat(body);
  if (request.top_logprobs !== undefined && request.logprobs !== true) throw badField('top_logprobs', 'wants logprobs to be true.');
  const { inference } = services;
  const model = await services.modelOf(request.model, pathModel);
  const prompt = await chatPrompt(inference, model, request.messages, true);
  const tokenizer = await inference.tokenizer(model);
  const generation: GenerationRequest = {
    ...generationSettings(request),
    prompt,
    // Without a limit an answer goes on to the end of the context.
    maxNewTokens: request.max_completion_tokens ?? request.max_tokens ?? (await inference.describe(model)).contextTokens,
    ...(request.logprobs === true ? { logprobs: request.top_logprobs ?? 0 } : {}),
  };
  const run = (sink: Parameters<typeof runGenerations>[4]): ReturnType<typeof runGenerations> =>
    runGenerations(inference, model, [generation], exchange.signal, sink);
  if (request.stream === true) await streamed(exchange, answerHead('chatcmpl', 'chat.completion.chunk', model), request, tokenizer, run);
  else await whole(exchange, answerHead('chatcmpl', 'chat.completion', model), request, tokenizer, run);
}

type Run = (sink: Parameters<typeof runGenerations>[4]) => ReturnType<typeof runGenerations>;

async function whole(exchange: Exchange, head: AnswerHead, request: ChatRequest, tokenizer: Tokenizer, run: Run): Promise<void> {
  const choices = Array.from({ length: request.n ?? 1 }, () => ({ text: '', logprobs: [] as TokenLogprobs[], reason: 'length' }));
  const usage = await run({
    prompt: () => {},
    piece: (index, piece) => {
      const choice = choices[index];
      if (choice === undefined) return;
      choice.text += piece.text;
      choice.logprobs.push(...piece.logprobs);
      choice.reason = piece.reason ?? choice.reason;
    },
  });
  exchange.sendJson({
    ...head,
    choices: choices.map(({ text, logprobs, reason }, index) => ({
      index,
      message: { role: 'assistant', content: text, refusal: null },
      logprobs: request.logprobs === true ? chatLogprobs(tokenizer, logprobs) : null,
      finish_reason: reason,
    })),
    usage,
  });
}

async function streamed(exchange: Exchange, head: AnswerHead, request: ChatRequest, tokenizer: Tokenizer, run: Run): Promise<void> {
  const wantsUsage = request.stream_options?.include_usage === true;
  const begun = new Set<number>();
  const chunk = (index: number, delta: object, piece?: Piece): object => ({
    ...head,
    choices: [
      {
        index,
        delta,
        logprobs: request.logprobs === true && piece !== undefined ? chatLogprobs(tokenizer, piece.logprobs) : null,
        finish_reason: piece?.reason ?? null,
      },
    ],
    ...(wantsUsage ? { usage: null } : {}),
  });
  const stream = new PieceStream(exchange, {
    chunks: (index, piece) => {
      const content = chunk(index, piece.text === '' && piece.reason !== undefined ? {} : { content: piece.text }, piece);
      if (begun.has(index)) return [content];
      begun.add(index);
      return [chunk(index, { role: 'assistant', content: '' }), content];
    },
  });
  try {
    const usage = await run(stream);
    await stream.end(wantsUsage ? [{ ...head, choices: [], usage }] : []);
  } catch (error) {
    stream.fail(error);
  }
}

function chatLogprobs(tokenizer: Tokenizer, tokens: readonly TokenLogprobs[]): object {
  const named = (id: number, logprob: number): object => ({
    token: tokenText(tokenizer, id),
    logprob: finiteLogprob(logprob),
    bytes: Array.from(tokenBytes(tokenizer, id)),
  });
  return {
    content: tokens.map(({ id, logProbability = Number.NEGATIVE_INFINITY, top }) => ({
      ...named(id, logProbability),
      top_logprobs: top.map((candidate) => named(candidate.id, candidate.logProbability)),
    })),
    refusal: null,
  };
}

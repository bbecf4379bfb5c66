// POST /v1/completions: texts that continue prompts, with log probabilities of both.
import { at } from '#base';
import type { GenerationRequest, TokenLogprobs } from '#serve';
import type { Tokenizer } from '#text';
import { LogprobWriter } from './completion-logprobs.ts';
import { badField } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { generationSettings } from './generation-settings.ts';
import { PieceStream } from './piece-stream.ts';
import { type CompletionRequest, type Prompt, readCompletion, readPrompts } from './request-schemas.ts';
import { joinPieces, type Piece, type RequestUsage, runGenerations } from './run-generations.ts';
import { type AnswerHead, answerHead, type Services } from './services.ts';

/** As OpenAI's API defines it. */
const defaultTokens = 16;
/** Continuations that one request may have generated. */
const largestAnswer = 4096;

export async function completions(exchange: Exchange, services: Services, body: unknown, pathModel?: string): Promise<void> {
  const request = readCompletion(body);
  const prompts = readPrompts(request.prompt);
  const numChoices = prompts.length * Math.max(request.n ?? 1, request.best_of ?? 1);
  if (numChoices > largestAnswer)
    throw badField(
      'n',
      `${prompts.length} prompts with so many continuations each are ${numChoices}, more than ${largestAnswer}. Ask for fewer.`,
    );
  const model = await services.modelOf(request.model, pathModel);
  const tokenizer = await services.inference.tokenizer(model);
  const writer = new ChoiceWriter(request, prompts, tokenizer);
  const requests = prompts.map((prompt) => {
    const isBare = typeof prompt === 'string' && request.add_special_tokens === false;
    return generationRequest(request, isBare ? tokenizer.encode(prompt, { addSpecialTokens: false }) : prompt);
  });
  const head = answerHead('cmpl', 'text_completion', model);
  const run = (sink: Parameters<typeof runGenerations>[4]): Promise<RequestUsage> =>
    runGenerations(services.inference, model, requests, exchange.signal, sink).then((usage) => billed(request, usage));
  if (request.stream === true) await streamed(exchange, head, request, writer, run);
  else await whole(exchange, head, writer, requests, run);
}

type Run = (sink: Parameters<typeof runGenerations>[4]) => Promise<RequestUsage>;

async function whole(
  exchange: Exchange,
  head: AnswerHead,
  writer: ChoiceWriter,
  requests: readonly GenerationRequest[],
  run: Run,
): Promise<void> {
  const pieces = new Map<number, Piece[]>();
  for (let choice = 0; choice < requests.length * writer.n; choice++) pieces.set(choice, []);
  const usage = await run({
    prompt: (index, logprobs) => writer.prompt(index, logprobs),
    piece: (choice, piece) => pieces.get(choice)?.push(piece),
  });
  const choices = [...pieces].map(([choice, parts]) => writer.choice(choice, joined(parts)));
  exchange.sendJson({ ...head, choices, usage });
}

async function streamed(exchange: Exchange, head: AnswerHead, request: CompletionRequest, writer: ChoiceWriter, run: Run): Promise<void> {
  const wantsUsage = request.stream_options?.include_usage === true;
  const stream = new PieceStream(exchange, {
    prompt: (index, logprobs) => writer.prompt(index, logprobs),
    chunks: (choice, piece) => [{ ...head, choices: [writer.choice(choice, piece)], ...(wantsUsage ? { usage: null } : {}) }],
  });
  try {
    const usage = await run(stream);
    await stream.end(wantsUsage ? [{ ...head, choices: [], usage }] : []);
  } catch (error) {
    stream.fail(error);
  }
}

function joined([first = { text: '', tokens: 0, logprobs: [] }, ...others]: readonly Piece[]): Piece {
  const logprobs = [first, ...others].flatMap((piece) => piece.logprobs);
  const bare = others.reduce((left, right) => joinPieces(left, { ...right, logprobs: [] }), { ...first, logprobs: [] });
  return { ...bare, logprobs };
}

function generationRequest(request: CompletionRequest, prompt: GenerationRequest['prompt']): GenerationRequest {
  const { max_tokens = defaultTokens, best_of, logprobs, echo = false } = request;
  return {
    ...generationSettings(request),
    prompt,
    // A request for the prompt alone still runs one step; its token is not answered.
    maxNewTokens: Math.max(1, max_tokens),
    ...(best_of === undefined ? {} : { bestOf: best_of }),
    ...(logprobs === undefined ? {} : { logprobs, ...(echo ? { promptLogprobs: logprobs } : {}) }),
  };
}

function billed({ max_tokens }: CompletionRequest, usage: RequestUsage): RequestUsage {
  return max_tokens === 0 ? { ...usage, completion_tokens: 0, total_tokens: usage.prompt_tokens } : usage;
}

/** Writes the choices, each beginning with its prompt where that is to be echoed. */
class ChoiceWriter {
  readonly n: number;
  readonly #request: CompletionRequest;
  readonly #prompts: readonly Prompt[];
  readonly #tokenizer: Tokenizer;
  readonly #promptLogprobs = new Map<number, readonly TokenLogprobs[]>();
  readonly #logprobs = new Map<number, LogprobWriter>();
  readonly #begun = new Set<number>();

  constructor(request: CompletionRequest, prompts: readonly Prompt[], tokenizer: Tokenizer) {
    this.n = request.n ?? 1;
    this.#request = request;
    this.#prompts = prompts;
    this.#tokenizer = tokenizer;
  }

  prompt(index: number, logprobs: readonly TokenLogprobs[]): void {
    this.#promptLogprobs.set(index, logprobs);
  }

  choice(choice: number, piece: Piece): object {
    const { echo = false, logprobs, max_tokens } = this.#request;
    const promptIndex = Math.floor(choice / this.n);
    const opens = echo && !this.#begun.has(choice);
    this.#begun.add(choice);
    const prompt = opens ? this.#promptText(promptIndex) : '';
    const before = opens ? (this.#promptLogprobs.get(promptIndex) ?? []) : [];
    const answer: Piece = max_tokens === 0 ? { ...piece, text: '', logprobs: [] } : piece;
    return {
      index: choice,
      text: prompt + answer.text,
      logprobs: logprobs === undefined ? null : this.#writer(choice).write([...before, ...answer.logprobs]),
      finish_reason: max_tokens === 0 && piece.reason !== undefined ? 'length' : (piece.reason ?? null),
    };
  }

  #promptText(index: number): string {
    const prompt = at(this.#prompts, index);
    return typeof prompt === 'string' ? prompt : this.#tokenizer.decode(prompt, { skipSpecialTokens: false });
  }

  #writer(choice: number): LogprobWriter {
    const known = this.#logprobs.get(choice) ?? new LogprobWriter(this.#tokenizer);
    this.#logprobs.set(choice, known);
    return known;
  }
}

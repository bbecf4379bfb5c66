// Log-likelihoods of continuations, as lm-evaluation-harness defines them.
import { AppError, at, type OperationContext, throwIfCancelled, yieldToEventLoop } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { type Graph, GraphBuilder } from '#graph';
import { borrowModel, causalNetwork, type Model, type ModelDeclaration } from '#models';
import { hostTensor, int64, toNumbers } from '#tensor';
import type { Tokenizer } from '#text';

/** Texts, or token ids that are taken as they are. */
export interface ScoreRequest {
  readonly context: string | ArrayLike<number>;
  readonly continuation: string | ArrayLike<number>;
}

export interface ScoreResult {
  /** Σ ln p(token | everything before) over the continuation's tokens, nats. */
  readonly logLikelihood: number;
  /** Greedy decoding from the context would give exactly these tokens. */
  readonly isGreedy: boolean;
  /** Tokens of the continuation. */
  readonly tokens: number;
}

/** A request as ids: `tokens` are read, the labels are the last `labels.length` tokens that should follow. */
interface EncodedRequest {
  readonly tokens: Int32Array;
  readonly labels: Int32Array;
}

/** Tokens of one run, padding included. */
const tokensPerRun = 4096;
/** Logits of one run take at most this many elements (64 MiB), unless one request alone needs more. */
const largestLogits = 1 << 24;

const names = { tokens: 'tokens', rows: 'rows', labels: 'labels', loss: 'loss', top: 'top' } as const;

/** tokens int64 [B, T], rows int64 [M] (places in [B*T]) and labels int64 [M] -> loss float32 [M] (nats), top int64 [M]. */
function buildContinuationGraph(model: ModelDeclaration): Graph {
  const b = new GraphBuilder();
  const tokens = b.input(names.tokens, 'int64', ['B', 'T']);
  const rows = b.input(names.rows, 'int64', ['M']);
  const labels = b.input(names.labels, 'int64', ['M']);
  const net = causalNetwork(b, model, tokens);
  // Only rows that predict a continuation meet the vocabulary: for long contexts most of the work.
  const logits = net.logits(b.gather(net.hidden(tokens), rows)); // [M, V]
  return b.graph({ [names.loss]: b.crossEntropy(logits, labels)[0], [names.top]: b.argMax(logits, 1) });
}

/** Scores continuations with one model; compiled once, for requests of any length. Release it after use. */
export class ContinuationScorer {
  readonly #model: Model;
  readonly #tokenizer: Tokenizer;
  readonly #program: Program;
  readonly #weights: Readonly<Record<string, DeviceBuffer>>;
  readonly #ownsWeights: boolean;

  private constructor(
    model: Model,
    tokenizer: Tokenizer,
    program: Program,
    weights: Readonly<Record<string, DeviceBuffer>>,
    ownsWeights: boolean,
  ) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#program = program;
    this.#weights = weights;
    this.#ownsWeights = ownsWeights;
  }

  /** @param weights - the model's parameters where they are on the device already (`borrowModel`); they stay the caller's */
  static async create(
    model: Model,
    tokenizer: Tokenizer,
    engine: Engine,
    weights?: Readonly<Record<string, DeviceBuffer>>,
  ): Promise<ContinuationScorer> {
    const program = await engine.compile(buildContinuationGraph(model), { name: 'score' });
    return new ContinuationScorer(model, tokenizer, program, weights ?? borrowModel(engine, model), weights === undefined);
  }

  /**
   * Scores all requests; results are in their order.
   *
   * Trailing spaces of a context count as the start of its continuation; the continuation's tokens are those of the whole text after
   * as many as the context alone has, unless either is given as ids; an empty context stands for the begin (else end) token. A text longer than the model
   * loses the start of its context.
   *
   * @throws AppError `invalid_argument` (the request's index and text) | `context_too_long` | `cancelled`
   */
  async score(requests: readonly ScoreRequest[], context: OperationContext): Promise<ScoreResult[]> {
    const encoded = requests.map((request, index) => encodeRequest(request, index, this.#tokenizer, this.#model.config));
    const results: ScoreResult[] = new Array(requests.length);
    // Longest first: neighbours pad little, and a batch that is too large fails at once.
    const order = encoded
      .map((_, index) => index)
      .sort((left, right) => at(encoded, right).tokens.length - at(encoded, left).tokens.length);
    let done = 0;
    for (const batch of this.#batches(order, encoded)) {
      throwIfCancelled(context.signal);
      const scores = await this.#run(
        batch.map((index) => at(encoded, index)),
        context.signal,
      );
      batch.forEach((index, row) => {
        results[index] = at(scores, row);
      });
      done += batch.length;
      context.report({ phase: 'score', step: done, total: requests.length });
      await yieldToEventLoop();
    }
    return results;
  }

  async release(): Promise<void> {
    await this.#program.release();
    if (this.#ownsWeights) for (const buffer of Object.values(this.#weights)) buffer.release();
  }

  /** Cuts the ordered requests where padded tokens or logits would grow too many. */
  *#batches(order: readonly number[], encoded: readonly EncodedRequest[]): Generator<readonly number[]> {
    const largestRows = Math.floor(largestLogits / this.#model.config.vocabularySize);
    let batch: number[] = [];
    let width = 0;
    let rows = 0;
    for (const index of order) {
      const { tokens, labels } = at(encoded, index);
      if (batch.length > 0 && ((batch.length + 1) * width > tokensPerRun || rows + labels.length > largestRows)) {
        yield batch;
        batch = [];
        rows = 0;
      }
      if (batch.length === 0) width = tokens.length;
      batch.push(index);
      rows += labels.length;
    }
    if (batch.length > 0) yield batch;
  }

  async #run(batch: readonly EncodedRequest[], signal: AbortSignal): Promise<ScoreResult[]> {
    const width = Math.max(...batch.map(({ tokens }) => tokens.length));
    const tokens = hostTensor('int64', [batch.length, width]);
    const rows: number[] = [];
    const labels: number[] = [];
    batch.forEach((request, row) => {
      request.tokens.forEach((id, column) => {
        tokens.data[row * width + column] = BigInt(id);
      });
      const first = row * width + request.tokens.length - request.labels.length;
      request.labels.forEach((label, index) => {
        rows.push(first + index);
        labels.push(label);
      });
    });
    const inputs = { [names.tokens]: tokens, [names.rows]: int64([rows.length], rows), [names.labels]: int64([rows.length], labels) };
    const outputs = await this.#program.run({ ...this.#weights, ...inputs }, { signal });
    const losses = readAndRelease(outputs, names.loss);
    const tops = readAndRelease(outputs, names.top);
    let cursor = 0;
    return batch.map((request) => {
      let logLikelihood = 0;
      let isGreedy = true;
      for (const label of request.labels) {
        logLikelihood -= at(losses, cursor);
        isGreedy &&= at(tops, cursor) === label;
        cursor++;
      }
      return { logLikelihood, isGreedy, tokens: request.labels.length };
    });
  }
}

function readAndRelease(outputs: Readonly<Record<string, DeviceBuffer>>, name: string): ArrayLike<number> {
  const buffer = outputs[name];
  if (buffer === undefined) throw new AppError('internal', `score: the program has no result "${name}".`);
  const values = toNumbers(buffer.read());
  buffer.release();
  return values;
}

function encodeRequest(request: ScoreRequest, index: number, tokenizer: Tokenizer, config: Model['config']): EncodedRequest {
  const { maxPositions } = config;
  const place = `requests[${index}]`;
  const [before, after] = tokensOf(request, tokenizer, config, place);
  if (after.length > maxPositions)
    throw new AppError('context_too_long', `${place}: the continuation has ${after.length} tokens, the model ${maxPositions} positions.`);
  const whole = Int32Array.of(...before, ...after);
  // The last token is only a label; what does not fit is cut from the start of the context.
  return { tokens: whole.subarray(Math.max(0, whole.length - 1 - maxPositions), whole.length - 1), labels: after };
}

/** What is read and what should follow. */
function tokensOf(
  { context, continuation }: ScoreRequest,
  tokenizer: Tokenizer,
  config: Model['config'],
  place: string,
): readonly [Int32Array, Int32Array] {
  const encode = (each: string): Int32Array => tokenizer.encode(each, { addSpecialTokens: false });
  if (typeof context !== 'string' || typeof continuation !== 'string') {
    // Ids say where the continuation begins: nothing moves from one side to the other.
    const [before, after] = [context, continuation].map((side) =>
      typeof side === 'string' ? encode(side) : checkIds(side, config, place),
    );
    if (before === undefined || after === undefined || after.length === 0)
      throw new AppError('invalid_argument', `${place}.continuation: is empty. Give at least one token to score.`);
    return before.length === 0 ? withoutContext(after, tokenizer, place) : [before, after];
  }
  const trimmed = context.trimEnd();
  const text = context.slice(trimmed.length) + continuation;
  if (text === '') throw new AppError('invalid_argument', `${place}.continuation: is empty. Give at least one token to score.`);
  const [before, after] =
    trimmed === '' ? withoutContext(encode(text), tokenizer, place) : splitAt(encode(trimmed + text), encode(trimmed).length);
  if (after.length === 0)
    throw new AppError(
      'invalid_argument',
      `${place}: the continuation "${text.slice(0, 40)}" adds no token to its context. Move the end of the context into the continuation.`,
    );
  return [before, after];
}

/** @throws AppError `invalid_argument` */
function checkIds(ids: ArrayLike<number>, { vocabularySize }: Model['config'], place: string): Int32Array {
  const wrong = Array.from(ids).find((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize);
  if (wrong !== undefined) throw new AppError('invalid_argument', `${place}: token ${wrong} is outside 0..${vocabularySize - 1}.`);
  return Int32Array.from(ids);
}

function splitAt(ids: Int32Array, length: number): readonly [Int32Array, Int32Array] {
  return [ids.subarray(0, length), ids.subarray(length)];
}

/** A text that begins with the begin token itself keeps it as its context. */
function withoutContext(ids: Int32Array, tokenizer: Tokenizer, place: string): readonly [Int32Array, Int32Array] {
  const prefix = tokenizer.beginToken ?? tokenizer.endTokens[0];
  if (prefix === undefined)
    throw new AppError(
      'invalid_argument',
      `${place}.context: is empty, and the tokenizer has no begin or end token to stand for it. Give a context.`,
    );
  return ids[0] === prefix ? splitAt(ids, 1) : [Int32Array.of(prefix), ids];
}

/**
 * Scores continuations once: compiles, uploads, scores and releases.
 *
 * @see Gao et al., "A framework for few-shot language model evaluation" (lm-evaluation-harness), `loglikelihood`
 */
export async function scoreContinuations(
  model: Model,
  tokenizer: Tokenizer,
  requests: readonly ScoreRequest[],
  engine: Engine,
  context: OperationContext,
): Promise<ScoreResult[]> {
  const scorer = await ContinuationScorer.create(model, tokenizer, engine);
  try {
    return await scorer.score(requests, context);
  } finally {
    await scorer.release();
  }
}

// Log-likelihoods of continuations, as lm-evaluation-harness defines them.
import { AppError, at, type OperationContext } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { type Graph, GraphBuilder } from '#graph';
import { borrowModel, causalNetwork, type Model, type ModelDeclaration } from '#models';
import { type DeviceTurns, deviceTurns, RowBatcher, type RowGauges } from '#serve';
import { hostTensor, int64, toNumbers } from '#tensor';
import type { Tokenizer } from '#text';
import { type EncodedRequest, encodeRequest, type ScoreRequest } from './score-request.ts';

export interface ScoreResult {
  /** Σ ln p(token | everything before) over the continuation's tokens, nats. */
  readonly logLikelihood: number;
  /** Greedy decoding from the context would give exactly these tokens. */
  readonly isGreedy: boolean;
  /** Tokens of the continuation. */
  readonly tokens: number;
}

/** How requests share batches. */
const batching = { batchTokens: 4096, batchRows: 1024, maxDelayMs: 1, maxPadding: 0.2, queueTokens: 1 << 22 };
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

/** Scores continuations with one model; compiled once, for requests of any length. Calls share batches. Release it after use. */
export class ContinuationScorer {
  readonly #model: Model;
  readonly #tokenizer: Tokenizer;
  readonly #program: Program;
  readonly #weights: Readonly<Record<string, DeviceBuffer>>;
  readonly #ownsWeights: boolean;
  readonly #batcher: RowBatcher<EncodedRequest, ScoreResult>;

  private constructor(
    model: Model,
    tokenizer: Tokenizer,
    program: Program,
    weights: Readonly<Record<string, DeviceBuffer>>,
    ownsWeights: boolean,
    turns: DeviceTurns,
  ) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#program = program;
    this.#weights = weights;
    this.#ownsWeights = ownsWeights;
    const executor = { run: (batch: readonly EncodedRequest[], signal: AbortSignal) => this.#runParts(batch, signal) };
    this.#batcher = new RowBatcher<EncodedRequest, ScoreResult>(executor, ({ tokens }) => tokens.length, { ...batching, turns });
  }

  /** @param weights - the model's parameters where they are on the device already (`borrowModel`); they stay the caller's */
  static async create(
    model: Model,
    tokenizer: Tokenizer,
    engine: Engine,
    weights?: Readonly<Record<string, DeviceBuffer>>,
  ): Promise<ContinuationScorer> {
    const program = await engine.compile(buildContinuationGraph(model), { name: 'score' });
    const used = weights ?? borrowModel(engine, model);
    return new ContinuationScorer(model, tokenizer, program, used, weights === undefined, deviceTurns(engine));
  }

  /**
   * Scores all requests; results are in their order.
   *
   * Trailing spaces of a context count as the start of its continuation; the continuation's tokens are those of the whole text after
   * as many as the context alone has, unless either is given as ids; an empty context stands for the begin (else end) token. A text longer than the model
   * loses the start of its context.
   *
   * Token ids are taken as they are.
   *
   * @throws AppError `invalid_argument` and `context_too_long` (with the field) | `overloaded` | `cancelled`
   */
  async score(requests: readonly ScoreRequest[], context: OperationContext): Promise<readonly ScoreResult[]> {
    const { config } = this.#model;
    const encoded = requests.map((request, index) => encodeRequest(request, index, this.#tokenizer, config));
    return this.#batcher.submit(encoded, {
      signal: context.signal,
      onProgress: (step) => context.report({ phase: 'score', step, total: requests.length }),
    });
  }

  /** What waits, and what batches were like. */
  get gauges(): RowGauges {
    return this.#batcher.gauges;
  }

  async release(): Promise<void> {
    await this.#batcher.close(new AppError('unavailable', 'score: the model is being unloaded. Load it again.'));
    await this.#program.release();
    if (this.#ownsWeights) for (const buffer of Object.values(this.#weights)) buffer.release();
  }

  /** In parts, where the logits would grow too many. */
  async #runParts(batch: readonly EncodedRequest[], signal: AbortSignal): Promise<ScoreResult[]> {
    const largestRows = Math.floor(largestLogits / this.#model.config.vocabularySize);
    const results: ScoreResult[] = [];
    for (let start = 0; start < batch.length; ) {
      let rows = at(batch, start).labels.length;
      let end = start + 1;
      for (; end < batch.length && rows + at(batch, end).labels.length <= largestRows; end++) rows += at(batch, end).labels.length;
      results.push(...(await this.#run(batch.slice(start, end), signal)));
      start = end;
    }
    return results;
  }

  async #run(batch: readonly EncodedRequest[], signal: AbortSignal): Promise<ScoreResult[]> {
    const { texts, rowOf } = sharedTexts(batch);
    const width = texts.reduce((most, { length }) => Math.max(most, length), 0);
    const tokens = hostTensor('int64', [texts.length, width]);
    for (const [row, text] of texts.entries()) for (const [column, id] of text.entries()) tokens.data[row * width + column] = BigInt(id);
    const rows: number[] = [];
    const labels: number[] = [];
    for (const [index, request] of batch.entries()) {
      const first = at(rowOf, index) * width + request.tokens.length - request.labels.length;
      for (const [offset, label] of request.labels.entries()) {
        rows.push(first + offset);
        labels.push(label);
      }
    }
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

/**
 * The texts to run: one that another begins with needs no row of its own, since what follows a token does not change what is before it.
 * So continuations of one token after the same context cost one text.
 */
function sharedTexts(batch: readonly EncodedRequest[]): { readonly texts: readonly Int32Array[]; readonly rowOf: readonly number[] } {
  const texts: Int32Array[] = [];
  const rowOf: number[] = [];
  const longestFirst = [...batch.keys()].sort((left, right) => at(batch, right).tokens.length - at(batch, left).tokens.length);
  for (const index of longestFirst) {
    const { tokens } = at(batch, index);
    const known = texts.findIndex((text) => tokens.every((id, place) => text[place] === id));
    rowOf[index] = known >= 0 ? known : texts.push(tokens) - 1;
  }
  return { texts, rowOf };
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
): Promise<readonly ScoreResult[]> {
  const scorer = await ContinuationScorer.create(model, tokenizer, engine);
  try {
    return await scorer.score(requests, context);
  } finally {
    await scorer.release();
  }
}

// How well an encoder guesses tokens that are hidden from it.
import { AppError, at, type OperationContext, Random } from '#base';
import type { Engine } from '#engine';
import { type Graph, GraphBuilder } from '#graph';
import { encoderInputs, encoderNetwork, graphNames, type Model, type ModelDeclaration, taskOf } from '#models';
import { type HostTensor, int64 } from '#tensor';
import { type EncodedText, padTexts } from '#text';
import { runInBatches } from './batched-runs.ts';

export interface MaskedEvaluation {
  readonly lines: readonly EncodedText[];
  readonly masking: {
    /** The token that stands for a hidden one. */
    readonly maskToken: number;
    /** Tokens that are never hidden. */
    readonly specialTokens: ReadonlySet<number>;
  };
  /** Share of a line's tokens that are hidden at a time, at least one; 0 hides every token once, by itself. Default 0.15. */
  readonly share?: number;
  /** Of the choice of tokens. Default 0. */
  readonly seed?: number;
  /** Lines in one run. Default 32. */
  readonly batch?: number;
}

/** Plain JSON. */
export interface MaskedLoss {
  /** Lines with a token to hide. */
  readonly lines: number;
  readonly hiddenTokens: number;
  /** Mean negative log-likelihood of a hidden token. */
  readonly lossNats: number;
  /** exp(lossNats); with a share of 0 the pseudo-perplexity of the literature. */
  readonly pseudoPerplexity: number;
  /** Share of the hidden tokens that were the model's likeliest. */
  readonly accuracy: number;
}

export const defaultHiddenShare = 0.15;
const defaultBatch = 32;

/** One line with some of its tokens hidden. */
interface Question {
  readonly line: EncodedText;
  readonly places: Int32Array;
}

/**
 * Runs the model over the lines with tokens hidden from it. Unlike in training, a token to guess always becomes the mask token.
 *
 * Which tokens are hidden follows from the seed and the lines alone, so that two models are asked the same.
 *
 * @throws AppError `unsupported` for a model without a head over the vocabulary | `invalid_argument` | `empty_data` | `context_too_long` |
 * `bad_weights` where the loss is not finite | `cancelled`
 * @see Salazar et al., "Masked Language Model Scoring", ACL 2020, §2 (share 0); Devlin et al., "BERT", NAACL 2019, §3.1
 */
export async function evaluateMasked(
  model: Model,
  request: MaskedEvaluation,
  engine: Engine,
  context: OperationContext,
): Promise<MaskedLoss> {
  const { kind } = taskOf(model.config);
  if (kind !== 'masked')
    throw new AppError(
      'unsupported',
      `evaluation: the model's task is ${kind}, so it guesses no hidden tokens. Use a model with the task "masked".`,
    );
  const { batch = defaultBatch, masking } = request;
  const rows = questionsOf(request);
  const asked = {
    name: 'masked loss',
    graph: maskedLossGraph(model),
    rows,
    lengthOf: ({ line }: Question) => line.ids.length,
    batch,
    inputsOf: (part: readonly Question[]) => askedBatch(part, model, masking.maskToken),
  };
  let [loss, right, hiddenTokens] = [0, 0, 0];
  for await (const ran of runInBatches(engine, model, asked, context)) {
    loss += at(ran.numbers(names.loss), 0);
    right += at(ran.numbers(names.right), 0);
    hiddenTokens += ran.rows.reduce((sum, { places }) => sum + places.length, 0);
  }
  const lossNats = loss / hiddenTokens;
  const lines = new Set(rows.map(({ line }) => line)).size;
  return { lines, hiddenTokens, lossNats, pseudoPerplexity: Math.exp(lossNats), accuracy: right / hiddenTokens };
}

function questionsOf({ lines, masking: { specialTokens }, share = defaultHiddenShare, seed = 0 }: MaskedEvaluation): Question[] {
  if (!(share >= 0 && share < 1)) throw new AppError('invalid_argument', `hiddenShare: must be at least 0 and below 1, got ${share}.`);
  const random = new Random(seed);
  const questions = lines.flatMap((line): Question[] => {
    const ordinary = Int32Array.from(line.ids.keys()).filter((place) => !specialTokens.has(at(line.ids, place)));
    if (ordinary.length === 0) return [];
    if (share === 0) return Array.from(ordinary, (place) => ({ line, places: Int32Array.of(place) }));
    const count = Math.max(1, Math.round(share * ordinary.length));
    const drawn = random.permutation(ordinary.length).subarray(0, count);
    return [{ line, places: drawn.map((index) => at(ordinary, index)) }];
  });
  if (questions.length === 0) throw new AppError('empty_data', 'evaluation: no line has a token that could be hidden. Give other text.');
  return questions;
}

function askedBatch(questions: readonly Question[], { config }: Model, maskToken: number): Record<string, HostTensor> {
  const padToken = 'padToken' in config ? config.padToken : 0;
  const length = at(questions, 0).line.ids.length;
  const { tokens, mask, tokenTypes } = padTexts(
    questions.map(({ line }) => line),
    length,
    padToken,
  );
  const places = questions.flatMap((question, row) => Array.from(question.places, (place) => row * length + place));
  const labels = places.map((place) => Number(at(tokens.data, place)));
  for (const place of places) tokens.data[place] = BigInt(maskToken);
  return {
    [graphNames.tokens]: tokens,
    [graphNames.mask]: mask,
    [graphNames.tokenTypes]: tokenTypes,
    [graphNames.rows]: int64([places.length], places),
    [graphNames.labels]: int64([places.length], labels),
  };
}

const names = { loss: 'loss', right: 'right' } as const;

/** tokens, mask, tokenTypes, rows int64 [M] (places in [B*T]), labels int64 [M] -> two sums over the hidden tokens. */
function maskedLossGraph(model: ModelDeclaration): Graph {
  const b = new GraphBuilder();
  const inputs = encoderInputs(b, model, { batch: 'B', length: 'T' });
  const rows = b.input(graphNames.rows, 'int64', ['M']);
  const labels = b.input(graphNames.labels, 'int64', ['M']);
  const net = encoderNetwork(b, model, inputs);
  const logits = net.logits(b.gather(net.hidden(inputs.tokens), rows)); // [M, V]
  const isRight = b.cast(b.equal(b.argMax(logits, 1), labels), 'float32');
  return b.graph({
    [names.loss]: b.reduceSum(b.crossEntropy(logits, labels)[0], [0]),
    [names.right]: b.reduceSum(isRight, [0]),
  });
}

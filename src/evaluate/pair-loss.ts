// How likely an encoder-decoder finds given targets.
import { at, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { type Graph, GraphBuilder } from '#graph';
import {
  encoderDecoderConfig,
  encoderDecoderNetwork,
  graphNames,
  type Model,
  type ModelDeclaration,
  shiftRight,
  sourceInputs,
} from '#models';
import { type PairCorpus, pairBatch, type TokenPair } from '#text';
import { runInBatches } from './batched-runs.ts';

export interface PairLoss {
  /** Mean negative log-likelihood of a token of the targets, nats. */
  readonly lossNats: number;
  /** Share of these tokens that were the model's likeliest. */
  readonly accuracy: number;
  /** Tokens of the targets, their ends included. */
  readonly tokens: number;
}

/** Pairs in one run. */
const pairsPerRun = 16;

/**
 * Runs the model over the pairs with the right targets in front of it (teacher forcing).
 *
 * @throws AppError `unsupported` for a model without an encoder | `context_too_long` | `bad_weights` where the loss is not finite | `cancelled`
 */
export async function evaluatePairs(
  model: Model,
  { pairs }: Pick<PairCorpus, 'pairs'>,
  engine: Engine,
  context: OperationContext,
): Promise<PairLoss> {
  const { padToken } = encoderDecoderConfig(model);
  const asked = {
    name: 'pair loss',
    graph: pairLossGraph(model),
    rows: pairs,
    lengthOf: ({ source, target }: TokenPair) => source.length + target.length,
    batch: pairsPerRun,
    inputsOf: (rows: readonly TokenPair[]) => {
      const longest = (side: keyof TokenPair): number => Math.max(...rows.map((row) => row[side].length));
      return { ...pairBatch(rows, { sourceLength: longest('source'), length: longest('target'), padToken }) };
    },
  };
  let [loss, right, tokens] = [0, 0, 0];
  for await (const ran of runInBatches(engine, model, asked, context)) {
    loss += at(ran.numbers(names.loss), 0);
    right += at(ran.numbers(names.right), 0);
    tokens += at(ran.numbers(names.tokens), 0);
  }
  return { lossNats: loss / tokens, accuracy: right / tokens, tokens };
}

const names = { loss: 'loss', right: 'right', tokens: 'tokens' } as const;

/** source, sourceMask, labels int64 [B, T], negative behind the targets -> three sums over the labels that count. */
function pairLossGraph(model: ModelDeclaration): Graph {
  const b = new GraphBuilder();
  const sources = sourceInputs(b, { batch: 'B', sourceLength: 'S' });
  const labels = b.input(graphNames.labels, 'int64', ['B', 'T']);
  const tokens = shiftRight(b, encoderDecoderConfig(model), labels);
  const net = encoderDecoderNetwork(b, model, sources, tokens);
  const logits = net.logits(net.hidden(tokens)); // [B*T, V]
  const rows = b.reshape(labels, [at(logits.shape, 0)]);
  const counts = b.cast(b.not(b.less(rows, 0)), 'float32');
  const wanted = b.maximum(rows, 0);
  const isRight = b.cast(b.equal(b.argMax(logits, 1), wanted), 'float32');
  return b.graph({
    [names.loss]: b.reduceSum(b.mul(b.crossEntropy(logits, wanted)[0], counts), [0]),
    [names.right]: b.reduceSum(b.mul(isRight, counts), [0]),
    [names.tokens]: b.reduceSum(counts, [0]),
  });
}

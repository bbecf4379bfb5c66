// How likely an encoder-decoder finds given targets.
import { at, chosen, type OperationContext, throwIfCancelled, yieldToEventLoop } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { type Graph, GraphBuilder } from '#graph';
import {
  borrowModel,
  encoderDecoderConfig,
  encoderDecoderNetwork,
  graphNames,
  type Model,
  type ModelDeclaration,
  shiftRight,
  sourceInputs,
} from '#models';
import { type HostTensor, toNumbers } from '#tensor';
import { type PairCorpus, pairBatch, type TokenPair } from '#text';

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
 * @throws AppError `unsupported` for a model without an encoder | `context_too_long` | `cancelled`
 */
export async function evaluatePairs(
  model: Model,
  { pairs }: Pick<PairCorpus, 'pairs'>,
  engine: Engine,
  context: OperationContext,
): Promise<PairLoss> {
  const { padToken } = encoderDecoderConfig(model);
  // Longest first: neighbours pad little, and a batch that is too large fails at once.
  const size = ({ source, target }: TokenPair): number => source.length + target.length;
  const ordered = [...pairs].sort((left, right) => size(right) - size(left));
  const weights = borrowModel(engine, model);
  let program: Program | undefined;
  try {
    program = await engine.compile(pairLossGraph(model), { name: 'pair loss' });
    let [loss, right, tokens] = [0, 0, 0];
    for (let start = 0; start < ordered.length; start += pairsPerRun) {
      throwIfCancelled(context.signal);
      const rows = ordered.slice(start, start + pairsPerRun);
      const longest = (side: keyof TokenPair): number => Math.max(...rows.map((row) => row[side].length));
      const batch = pairBatch(rows, { sourceLength: longest('source'), length: longest('target'), padToken });
      const inputs = chosen<HostTensor | DeviceBuffer>({ ...weights, ...batch }, program.inputNames);
      const results = await program.run(inputs, { signal: context.signal });
      const scalar = (name: string): number => {
        const buffer = at(Object.values(chosen(results, [name])), 0);
        const value = at(toNumbers(buffer.read()), 0);
        buffer.release();
        return value;
      };
      loss += scalar(names.loss);
      right += scalar(names.right);
      tokens += scalar(names.tokens);
      context.report({ phase: 'evaluate', step: Math.min(start + pairsPerRun, ordered.length), total: ordered.length });
      await yieldToEventLoop();
    }
    return { lossNats: loss / tokens, accuracy: right / tokens, tokens };
  } finally {
    await program?.release();
    for (const buffer of Object.values(weights)) buffer.release();
  }
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

// What a training run minimizes: a scalar of the student's graph, and the figures that are reported beside it.
import { AppError, at } from '#base';
import type { DeviceBuffer } from '#engine';
import type { GraphBuilder, Value } from '#graph';
import { type GraphNetwork, inPieces } from '#models';
import { elementCount, staticDim } from '#tensor';

/** What an objective may build on. */
export interface ObjectiveContext {
  readonly b: GraphBuilder;
  readonly student: GraphNetwork;
  readonly vocabularySize: number;
  /** int64 [B, T] */
  readonly tokens: Value;
  /** int64 [B, T]: the token after each; any valid one where it does not count. Made when it is first asked for; objectives with other labels make inputs of their own. */
  readonly labels: Value;
  /** float32 [B, T], 1 where a label counts and 0 where it is padding; absent where all count. */
  readonly counts?: Value;
}

export interface ObjectiveGraph {
  /** float32 []: a mean over the tokens of the batch. */
  readonly loss: Value;
  /** Further scalars, by the name under which they are reported. */
  readonly metrics: Readonly<Record<string, Value>>;
}

/** A loss as graph nodes, with the device buffers that its graph reads besides the student's parameters. */
export interface Objective {
  readonly name: string;
  /** For example the weights of a teacher; they belong to whoever made the objective. */
  readonly inputs: Readonly<Record<string, DeviceBuffer>>;
  build(context: ObjectiveContext): ObjectiveGraph;
}

export interface CrossEntropyOptions {
  /** Share of each label's probability that is spread evenly over the vocabulary; 0 when absent. */
  readonly labelSmoothing?: number;
}

/**
 * Mean negative log-likelihood of the next token, in nats: training from scratch, fine-tuning, teacher forcing of encoder-decoders.
 *
 * @throws AppError `invalid_argument` for a share that is not in 0 … 1
 * @see label smoothing: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, §7
 */
export function crossEntropyObjective({ labelSmoothing = 0 }: CrossEntropyOptions = {}): Objective {
  if (!(labelSmoothing >= 0 && labelSmoothing < 1))
    throw new AppError('invalid_argument', `labelSmoothing: must be at least 0 and below 1, got ${labelSmoothing}.`, {
      details: { field: 'labelSmoothing' },
    });
  return {
    name: 'crossEntropy',
    inputs: {},
    build: ({ b, student, vocabularySize, tokens, labels, counts }) => {
      const count = elementCount(labels.shape);
      const hidden = student.hidden(tokens); // [B*T, D]
      // The vocabulary's rows are worked off in pieces, so that the logits of a whole batch never stand in memory at once.
      const pieces = inPieces(b, hidden, b.reshape(labels, [count]), vocabularySize).map(([rows, wanted]) => {
        const [loss, logProbabilities] = b.crossEntropy(student.logits(rows), wanted);
        return { loss, spread: labelSmoothing === 0 ? undefined : b.neg(b.reduceMean(logProbabilities, [1])) };
      });
      const weights = counts === undefined ? undefined : b.reshape(counts, [count]);
      const mean = (rows: readonly Value[]): Value => {
        if (weights === undefined) {
          const total = rows.map((row) => b.reduceSum(row, [0])).reduce((sum, piece) => b.add(sum, piece));
          return b.mul(total, 1 / staticDim(count, 'tokens of a batch'));
        }
        const joined = rows.length === 1 ? at(rows, 0) : b.concat(rows, 0);
        return b.div(b.reduceSum(b.mul(joined, weights), [0]), b.maximum(b.reduceSum(weights, [0]), 1));
      };
      const likelihood = mean(pieces.map(({ loss }) => loss));
      const spreads = pieces.flatMap(({ spread }) => (spread === undefined ? [] : [spread]));
      if (spreads.length === 0) return { loss: likelihood, metrics: {} };
      const loss = b.add(b.mul(likelihood, 1 - labelSmoothing), b.mul(mean(spreads), labelSmoothing));
      return { loss, metrics: { negativeLogLikelihood: likelihood } };
    },
  };
}

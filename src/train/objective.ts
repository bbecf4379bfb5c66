// What a training run minimizes: a scalar of the student's graph, and the figures that are reported beside it.
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
  /** int64 [B, T]: the token after each. Made when it is first asked for; objectives with other labels make inputs of their own. */
  readonly labels: Value;
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

/** Mean negative log-likelihood of the next token, in nats: training from scratch and fine-tuning. */
export function crossEntropyObjective(): Objective {
  return {
    name: 'crossEntropy',
    inputs: {},
    build: ({ b, student, vocabularySize, tokens, labels }) => {
      const count = elementCount(labels.shape);
      const hidden = student.hidden(tokens); // [B*T, D]
      // The vocabulary's rows are worked off in pieces, so that the logits of a whole batch never stand in memory at once.
      const sums = inPieces(b, hidden, b.reshape(labels, [count]), vocabularySize).map(([rows, wanted]) =>
        b.reduceSum(b.crossEntropy(student.logits(rows), wanted)[0], [0]),
      );
      const total = sums.reduce((sum, piece) => b.add(sum, piece));
      return { loss: b.mul(total, 1 / staticDim(count, 'tokens of a batch')), metrics: {} };
    },
  };
}

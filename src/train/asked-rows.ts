// What a batch asks of a model, by its task: the next tokens, the labels of texts, or hidden tokens.
import { AppError, at } from '#base';
import type { GraphBuilder, Value } from '#graph';
import { firstRows, type GraphNetwork, graphNames } from '#models';
import { elementCount, staticDim } from '#tensor';
import type { ObjectiveContext } from './objective-graph.ts';

/** N questions. */
export interface AskedRows {
  /** int64 [N], any valid label where the answer does not count. */
  readonly labels: Value;
  /** float32 [N], 1 where an answer counts and 0 where it does not; undefined where all count. */
  readonly weights: Value | undefined;
  /** C: answers to choose from. */
  readonly choices: number;
  /** The hidden states that the answers are read from, [N, D]. */
  hidden(this: void, network: GraphNetwork): Value;
  /** Rows [n, D] -> [n, C] */
  logits(this: void, network: GraphNetwork, rows: Value): Value;
}

/**
 * Declares the inputs of the batch that the task needs.
 *
 * Classifiers: labels int64 [B]. Hidden tokens: rows int64 [M] (places in [B*T]), labels int64 [M] and weights float32 [M], 0 for rows that only
 * fill up; the head, which is as wide as the vocabulary, sees these rows alone.
 *
 * @param hiddenTokens - M of a batch of this length of sequences
 * @throws AppError `unsupported` for a model of embeddings, which answers nothing
 */
export function askedRows(context: ObjectiveContext, hiddenTokens?: (length: number) => number): AskedRows {
  const { b, task, tokens, vocabularySize } = context;
  const logits: AskedRows['logits'] = (network, rows) => network.logits(rows);
  switch (task.kind) {
    case 'causal': {
      const { labels, counts } = context;
      const count = elementCount(labels.shape);
      return {
        labels: b.reshape(labels, [count]),
        weights: counts === undefined ? undefined : b.reshape(counts, [count]),
        choices: vocabularySize,
        hidden: (network) => network.hidden(tokens),
        logits,
      };
    }
    case 'classify':
      return {
        labels: b.input(graphNames.labels, 'int64', [at(tokens.shape, 0)]),
        weights: undefined,
        choices: task.labels.length,
        hidden: (network) => firstRows(b, network.hidden(tokens), tokens),
        logits: (network, rows) => network.classLogits(rows),
      };
    case 'masked': {
      const M = hiddenTokens?.(staticDim(at(tokens.shape, 1), 'tokens of a text'));
      if (M === undefined) throw new AppError('internal', 'training: nobody says how many tokens of a batch are hidden.');
      const rows = b.input(graphNames.rows, 'int64', [M]);
      return {
        labels: b.input(graphNames.labels, 'int64', [M]),
        weights: b.input(graphNames.weights, 'float32', [M]),
        choices: vocabularySize,
        hidden: (network) => b.gather(network.hidden(tokens), rows),
        logits,
      };
    }
    case 'embed':
      throw new AppError('unsupported', "training: the model's task is embed, which has no labels to learn. Give it a head with labels.");
  }
}

/** The mean over the rows that count, from pieces of one number a row. */
export function meanOfRows(b: GraphBuilder, pieces: readonly Value[], weights: Value | undefined): Value {
  if (weights === undefined) {
    const count = pieces.reduce((sum, { shape }) => sum + staticDim(at(shape, 0), 'rows of a batch'), 0);
    const total = pieces.map((piece) => b.reduceSum(piece, [0])).reduce((sum, piece) => b.add(sum, piece));
    return b.mul(total, 1 / count);
  }
  const joined = pieces.length === 1 ? at(pieces, 0) : b.concat(pieces, 0);
  return b.div(b.reduceSum(b.mul(joined, weights), [0]), b.maximum(b.reduceSum(weights, [0]), 1));
}

// What encoders are trained for: the labels of texts, and the tokens that were hidden from them.
import { at } from '#base';
import { firstRows, graphNames } from '#models';
import type { Objective } from './objective.ts';

/**
 * Mean negative log-likelihood of the right label, in nats. The batch brings labels int64 [B].
 *
 * Metric: `accuracy`, the share of texts whose likeliest label is right.
 */
export function classificationObjective(): Objective {
  return {
    name: 'classification',
    inputs: {},
    build: ({ b, student, tokens }) => {
      const labels = b.input(graphNames.labels, 'int64', [at(tokens.shape, 0)]);
      const logits = student.classLogits(firstRows(b, student.hidden(tokens), tokens)); // [B, C]
      const isRight = b.cast(b.equal(b.argMax(logits, 1), labels), 'float32');
      return { loss: b.reduceMean(b.crossEntropy(logits, labels)[0], [0]), metrics: { accuracy: b.reduceMean(isRight, [0]) } };
    },
  };
}

/**
 * Mean negative log-likelihood of the hidden tokens, in nats. The batch brings rows int64 [M] (places in [B*T]), labels int64 [M] and weights
 * float32 [M], 0 for rows that only fill up.
 *
 * The head, which is as wide as the vocabulary, sees the hidden tokens alone. Metric: `accuracy` over them.
 *
 * @param hiddenTokens - M of a batch of this length of sequences
 */
export function maskedObjective(hiddenTokens: (length: number) => number): Objective {
  return {
    name: 'maskedLanguage',
    inputs: {},
    build: ({ b, student, tokens }) => {
      const M = hiddenTokens(Number(at(tokens.shape, 1)));
      const rows = b.input(graphNames.rows, 'int64', [M]);
      const labels = b.input(graphNames.labels, 'int64', [M]);
      const weights = b.input(graphNames.weights, 'float32', [M]);
      const logits = student.logits(b.gather(student.hidden(tokens), rows)); // [M, V]
      const count = b.maximum(b.reduceSum(weights, [0]), 1);
      const isRight = b.cast(b.equal(b.argMax(logits, 1), labels), 'float32');
      return {
        loss: b.div(b.reduceSum(b.mul(b.crossEntropy(logits, labels)[0], weights), [0]), count),
        metrics: { accuracy: b.div(b.reduceSum(b.mul(isRight, weights), [0]), count) },
      };
    },
  };
}

// What encoders are trained for: the labels of texts, and the tokens that were hidden from them.
import { askedRows, meanOfRows } from './asked-rows.ts';
import type { Objective } from './objective.ts';

/**
 * Mean negative log-likelihood of the right label, in nats. The batch brings labels int64 [B].
 *
 * Metric: `accuracy`, the share of texts whose likeliest label is right.
 */
export function classificationObjective(): Objective {
  return { name: 'classification', inputs: {}, build: (context) => likelihoodAndAccuracy(context) };
}

/**
 * Mean negative log-likelihood of the hidden tokens, in nats; `askedRows` says what the batch brings. Metric: `accuracy` over them.
 *
 * @param hiddenTokens - M of a batch of this length of sequences
 */
export function maskedObjective(hiddenTokens: (length: number) => number): Objective {
  return { name: 'maskedLanguage', inputs: {}, build: (context) => likelihoodAndAccuracy(context, hiddenTokens) };
}

function likelihoodAndAccuracy(context: Parameters<Objective['build']>[0], hiddenTokens?: (length: number) => number) {
  const { b, student } = context;
  const { labels, weights, hidden, logits } = askedRows(context, hiddenTokens);
  const answers = logits(student, hidden(student)); // [N, C]
  const isRight = b.cast(b.equal(b.argMax(answers, 1), labels), 'float32');
  return {
    loss: meanOfRows(b, [b.crossEntropy(answers, labels)[0]], weights),
    metrics: { accuracy: meanOfRows(b, [isRight], weights) },
  };
}

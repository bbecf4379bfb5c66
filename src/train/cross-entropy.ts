// Cross-entropy with the data's own tokens: the plain objective of models that generate.
import { AppError } from '#base';
import { inPieces } from '#models';
import { askedRows, meanOfRows } from './asked-rows.ts';
import type { Objective } from './objective.ts';

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
    build: (context) => {
      const { b, student, vocabularySize } = context;
      const { labels, weights, hidden, logits } = askedRows(context);
      // The vocabulary's rows are worked off in pieces, so that the logits of a whole batch never stand in memory at once.
      const pieces = inPieces(b, hidden(student), labels, vocabularySize).map(([rows, wanted]) => {
        const [loss, logProbabilities] = b.crossEntropy(logits(student, rows), wanted);
        return { loss, spread: labelSmoothing === 0 ? undefined : b.neg(b.reduceMean(logProbabilities, [1])) };
      });
      const likelihood = meanOfRows(
        b,
        pieces.map(({ loss }) => loss),
        weights,
      );
      const spreads = pieces.flatMap(({ spread }) => (spread === undefined ? [] : [spread]));
      if (spreads.length === 0) return { loss: likelihood, metrics: {} };
      const loss = b.add(b.mul(likelihood, 1 - labelSmoothing), b.mul(meanOfRows(b, spreads, weights), labelSmoothing));
      return { loss, metrics: { negativeLogLikelihood: likelihood } };
    },
  };
}

// Evaluation windows: which tokens a model sees and which of them are scored.
import { AppError, at } from '#base';
import { type HostTensor, hostTensor } from '#tensor';
import type { TokenCorpus } from './token-corpus.ts';

export interface WindowProtocol {
  /** T: positions that a model sees at once. */
  readonly window: number;
  /** Positions between the starts of neighbouring windows; equal to `window` for windows that do not overlap. */
  readonly stride: number;
}

export interface EvaluationBatch {
  /** [B, T] */
  readonly tokens: HostTensor<'int64'>;
  /** [B, T]: the token after each. */
  readonly labels: HostTensor<'int64'>;
  /** [B, T]: 1 where the label is scored, 0 where it is padding, context or a separator. */
  readonly weights: HostTensor<'float32'>;
}

export interface StrideWindows extends WindowProtocol {
  /** The protocol in words, for reports. */
  readonly description: string;
  readonly windows: number;
  /** Sum of all weights. */
  readonly scoredTokens: number;
  /** Batches of exactly `batch` rows; missing rows of the last have weight 0. */
  batches(batch: number): Generator<EvaluationBatch>;
}

/**
 * Lays windows over a corpus so that every token is scored exactly once.
 *
 * The first window scores all its positions, each later one its last `stride`, which have at least window − stride tokens of
 * context. Separators between documents are seen but not scored, because they stand for no byte of the text.
 *
 * @param firstToken - put before the first token so that this one is predicted too; without it the first token is not scored
 * @throws AppError `invalid_argument` | `empty_data`
 * @see Hugging Face, "Perplexity of fixed-length models" (the strided sliding window)
 */
export function strideWindows(
  corpus: Pick<TokenCorpus, 'tokens' | 'documentStarts'>,
  protocol: WindowProtocol,
  firstToken?: number,
): StrideWindows {
  const { window, stride } = protocol;
  if (!(Number.isInteger(window) && window > 0 && Number.isInteger(stride) && stride > 0 && stride <= window))
    throw new AppError(
      'invalid_argument',
      `evaluation: window ${window} and stride ${stride} must be whole numbers with 0 < stride ≤ window.`,
    );
  const { tokens } = corpus;
  const lead = firstToken === undefined ? 0 : 1;
  // Positions are counted in the sequence [firstToken, ...tokens]; `predicted` of them have a token before them.
  const predicted = tokens.length + lead - 1;
  if (predicted < 1) throw new AppError('empty_data', `evaluation: ${tokens.length} tokens leave nothing to predict. Give more text.`);
  const tokenAt = (position: number): number => (position < lead ? (firstToken ?? 0) : at(tokens, position - lead));
  const separators = new Set(corpus.documentStarts.subarray(1).map((start) => start - 1 + lead));
  const windows = 1 + Math.max(0, Math.ceil((predicted - window) / stride));
  const scoredTokens = predicted - separators.size;

  const fill = (batch: EvaluationBatch, row: number, index: number): void => {
    const start = index * stride;
    const end = Math.min(start + window, predicted);
    const scoredFrom = index === 0 ? 0 : start - stride + window;
    for (let position = start; position < end; position++) {
      const cell = row * window + position - start;
      batch.tokens.data[cell] = BigInt(tokenAt(position));
      batch.labels.data[cell] = BigInt(tokenAt(position + 1));
      batch.weights.data[cell] = position >= scoredFrom && !separators.has(position + 1) ? 1 : 0;
    }
  };

  return {
    window,
    stride,
    windows,
    scoredTokens,
    description: describe(protocol, lead === 1, separators.size > 0),
    *batches(size) {
      for (let first = 0; first < windows; first += size) {
        const shape = [size, window];
        const batch = { tokens: hostTensor('int64', shape), labels: hostTensor('int64', shape), weights: hostTensor('float32', shape) };
        for (let row = 0; row < size && first + row < windows; row++) fill(batch, row, first + row);
        yield batch;
      }
    },
  };
}

function describe({ window, stride }: WindowProtocol, hasLead: boolean, hasSeparators: boolean): string {
  const overlap = stride === window ? 'do not overlap' : `start every ${stride} tokens and score their last ${stride}`;
  const lead = hasLead ? 'a begin token before the first' : 'the first token not scored';
  const separators = hasSeparators ? ', document separators not scored' : '';
  return `windows of ${window} tokens that ${overlap}; ${lead}${separators}`;
}

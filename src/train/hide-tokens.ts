// Hides tokens of padded texts for masked language modelling.
import { AppError, Random } from '#base';
import { type HostTensor, hostTensor } from '#tensor';
import type { TextBatch } from './batch-source.ts';

export interface MaskingOptions {
  /** The token that stands for a hidden one. */
  readonly maskToken: number;
  /** Tokens that are never hidden and never put in the place of another. */
  readonly specialTokens: ReadonlySet<number>;
  /** Share of the tokens that are to be guessed; 0.15 when absent. */
  readonly share?: number;
}

const defaultShare = 0.15;

/** Of the tokens to guess, 80 % become the mask token, 10 % any other token, and 10 % stay as they are. */
const [asMask, asOther] = [0.8, 0.1];

/** M: places for tokens to guess in a batch of full sequences. */
export function hiddenPerBatch(batch: number, length: number, { share = defaultShare }: MaskingOptions): number {
  return batch * Math.max(1, Math.ceil(share * length));
}

/**
 * Chooses the tokens to guess and hides them: of each text the share of its own tokens, at least one.
 *
 * Equal seeds hide the same. Returns the changed tokens [B, T], and rows, labels and weights [M].
 *
 * @throws AppError `invalid_argument` for a share outside 0..1, or a vocabulary of special tokens alone
 * @see Devlin et al., "BERT", NAACL 2019, §3.1
 */
export function hideTokens(
  { tokens, mask }: Pick<TextBatch, 'tokens' | 'mask'>,
  vocabularySize: number,
  options: MaskingOptions,
  seed: number,
): Required<Pick<TextBatch, 'tokens' | 'labels' | 'rows' | 'weights'>> {
  const { maskToken, specialTokens, share = defaultShare } = options;
  if (!(share > 0 && share < 1)) throw new AppError('invalid_argument', `masking.share: must be between 0 and 1, got ${share}.`);
  if (specialTokens.size >= vocabularySize)
    throw new AppError('invalid_argument', `masking.specialTokens: all ${vocabularySize} tokens are special; none is left to guess.`);
  const random = new Random(seed);
  const [batch = 0, length = 0] = tokens.shape;
  const room = hiddenPerBatch(batch, length, options);
  const hidden: HostTensor<'int64'> = hostTensor('int64', tokens.shape, tokens.data.slice());
  const [labels, rows] = [hostTensor('int64', [room]), hostTensor('int64', [room])];
  const weights = hostTensor('float32', [room]);
  let used = 0;
  for (let row = 0; row < batch; row++) {
    const places = Array.from({ length }, (_, column) => row * length + column).filter(
      (place) => (mask?.data[place] ?? 1) === 1 && !specialTokens.has(Number(tokens.data[place])),
    );
    if (places.length === 0) continue;
    const order = random.permutation(places.length);
    for (const index of order.subarray(0, Math.max(1, Math.round(share * places.length)))) {
      const place = places[index] ?? 0;
      rows.data[used] = BigInt(place);
      labels.data[used] = tokens.data[place] ?? 0n;
      weights.data[used] = 1;
      used++;
      const draw = random.uniform();
      if (draw < asMask) hidden.data[place] = BigInt(maskToken);
      else if (draw < asMask + asOther) hidden.data[place] = BigInt(ordinaryToken(random, vocabularySize, specialTokens));
    }
  }
  return { tokens: hidden, labels, rows, weights };
}

function ordinaryToken(random: Random, vocabularySize: number, specialTokens: ReadonlySet<number>): number {
  for (;;) {
    const token = random.integer(vocabularySize);
    if (!specialTokens.has(token)) return token;
  }
}

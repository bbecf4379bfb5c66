// Which class of transformers computes what an encoder-decoder's configuration says.
import { AppError } from '#base';
import type { EncoderDecoderConfig } from '#models';

/** Classes of transformers that we read and write. */
export type Family = 'bart' | 'mbart' | 'pegasus' | 'marian' | 't5' | 'encoder-decoder';
export type Seq2SeqFamily = Exclude<Family, 't5' | 'encoder-decoder'>;

/** nn.LayerNorm's own, which these classes never change. */
export const layerNormEpsilon = 1e-5;

/** What tells the classes apart that are built alike. */
export const seq2seqShapes = {
  bart: { normPlacement: 'after', embeddingNorm: true, finalNorm: false, positions: { kind: 'learned', offset: 2 } },
  mbart: { normPlacement: 'before', embeddingNorm: true, finalNorm: true, positions: { kind: 'learned', offset: 2 } },
  pegasus: { normPlacement: 'before', embeddingNorm: false, finalNorm: true, positions: { kind: 'sinusoidal', form: 'marian' } },
  marian: { normPlacement: 'after', embeddingNorm: false, finalNorm: false, positions: { kind: 'sinusoidal', form: 'marian' } },
} as const satisfies Readonly<
  Record<Seq2SeqFamily, Pick<EncoderDecoderConfig, 'normPlacement' | 'embeddingNorm' | 'finalNorm' | 'positions'>>
>;

/** The class of transformers that computes what this configuration says; undefined where there is none. */
export function familyOf(config: EncoderDecoderConfig): Family | undefined {
  if (isT5(config)) return 't5';
  if (isBerts(config)) return 'encoder-decoder';
  const { width, heads, headWidth, encoder } = config;
  const isPlain =
    config.norm === 'layer' &&
    config.normEpsilon === layerNormEpsilon &&
    config.biases &&
    config.scaledScores &&
    !config.scaledHead &&
    !config.gated &&
    config.tokenTypes === undefined &&
    !config.headTransform &&
    heads * headWidth === width &&
    encoder.heads * encoder.headWidth === width;
  if (!isPlain) return undefined;
  const families = ['bart', 'mbart', 'pegasus', 'marian'] as const;
  const family = families.find((name) => {
    const { positions, ...shape } = seq2seqShapes[name];
    return (
      config.normPlacement === shape.normPlacement &&
      config.embeddingNorm === shape.embeddingNorm &&
      config.finalNorm === shape.finalNorm &&
      JSON.stringify(config.positions, Object.keys(positions).sort()) === JSON.stringify(positions, Object.keys(positions).sort())
    );
  });
  return config.sourceVocabularySize === undefined || family === 'marian' ? family : undefined;
}

function isT5(config: EncoderDecoderConfig): boolean {
  const { encoder, heads, headWidth, feedForwardWidth } = config;
  const isSymmetric = encoder.heads === heads && encoder.headWidth === headWidth && encoder.feedForwardWidth === feedForwardWidth;
  const hasExtras = config.embeddingNorm || config.biases || config.headBias || config.scaledEmbedding || config.scaledScores;
  return (
    config.norm === 'rms' &&
    config.normPlacement === 'before' &&
    config.finalNorm &&
    config.positions.kind === 'relative' &&
    config.sourceVocabularySize === undefined &&
    // A gated exact GELU has no name there: "gated-gelu" is the tanh form.
    !(config.gated && config.activation === 'gelu') &&
    isSymmetric &&
    !hasExtras &&
    config.tokenTypes === undefined &&
    !config.headTransform
  );
}

/** Two BERTs, or two RoBERTas: their positions begin behind the padding token, and their heads have the exact GELU. */
function isBerts(config: EncoderDecoderConfig): boolean {
  const { positions, width, heads, headWidth, encoder } = config;
  const hasExtras = config.finalNorm || config.scaledEmbedding || config.scaledHead || config.gated;
  return (
    config.tokenTypes !== undefined &&
    config.headTransform === true &&
    config.headBias &&
    config.norm === 'layer' &&
    config.normPlacement === 'after' &&
    config.embeddingNorm &&
    config.biases &&
    config.scaledScores &&
    positions.kind === 'learned' &&
    (positions.offset === 0 || (positions.offset === config.padToken + 1 && config.activation === 'gelu')) &&
    config.sourceVocabularySize !== undefined &&
    heads * headWidth === width &&
    encoder.heads * encoder.headWidth === width &&
    !hasExtras
  );
}

/** @throws AppError `unsupported` when transformers has no class for it */
export function requireFamily(config: EncoderDecoderConfig): Family {
  const family = familyOf(config);
  if (family !== undefined) return family;
  throw new AppError(
    'unsupported',
    'transformers has no class for this encoder-decoder: its norms, positions, vocabularies or scales are not those of BART, mBART, Pegasus, Marian, T5 or two BERTs. Export it to ONNX.',
  );
}

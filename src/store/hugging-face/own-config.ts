// The config.json of encoder-decoders that transformers has no class for: our own fields, in artefacts only.
import { z } from 'zod';
import type { EncoderDecoderConfig } from '#models';
import { checkJson, type JsonObject } from '../json.ts';
import { depth, place, size, token } from './config-fields.ts';

/** The `model_type` of a configuration that none of its classes computes; only our artefacts have it. */
export const ownType = 'athanor_encoder_decoder';

const count = z.int().nonnegative();
const stack = { layers: depth, heads: size, headWidth: size, feedForwardWidth: size };

const shape = { heads: size, keyValueHeads: size, feedForwardWidth: size };

/** Sizes of single layers. */
export const layerShapesSchema = z.array(
  z.object({ ...shape, crossHeads: size.optional() }).transform(({ crossHeads, ...sizes }) => ({
    ...sizes,
    ...(crossHeads === undefined ? {} : { crossHeads }),
  })),
);

const ownSchema = z.strictObject({
  architecture: z.literal('encoderDecoder'),
  vocabularySize: size,
  sourceVocabularySize: size.optional(),
  width: size,
  ...stack,
  encoder: z.strictObject(stack),
  maxPositions: size,
  tiedHead: z.boolean(),
  normEpsilon: z.number().positive(),
  norm: z.enum(['layer', 'rms']),
  normPlacement: z.enum(['before', 'after']),
  embeddingNorm: z.boolean(),
  finalNorm: z.boolean(),
  positions: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('learned'), offset: count }),
    z.strictObject({ kind: z.literal('sinusoidal'), form: z.enum(['marian', 'tensor2tensor']) }),
    z.strictObject({ kind: z.literal('relative'), buckets: size, maxDistance: size }),
  ]),
  biases: z.boolean(),
  headBias: z.boolean(),
  scaledEmbedding: z.boolean(),
  scaledScores: z.boolean(),
  scaledHead: z.boolean(),
  gated: z.boolean(),
  activation: z.enum(['geluTanh', 'gelu', 'relu', 'silu']),
  tokenTypes: size.optional(),
  headTransform: z.boolean().optional(),
  layerShapes: layerShapesSchema.optional(),
  startToken: token,
  padToken: token,
  beginToken: token.optional(),
  endTokens: z.array(token),
});

export function readOwn(json: JsonObject): EncoderDecoderConfig {
  const { sourceVocabularySize, beginToken, tokenTypes, headTransform, layerShapes, ...config } = checkJson(
    ownSchema,
    json['athanor'],
    'bad_config',
    `${place}: athanor`,
  );
  return {
    ...config,
    ...(sourceVocabularySize === undefined ? {} : { sourceVocabularySize }),
    ...(beginToken === undefined ? {} : { beginToken }),
    ...(tokenTypes === undefined ? {} : { tokenTypes }),
    ...(headTransform === undefined ? {} : { headTransform }),
    ...(layerShapes === undefined ? {} : { layerShapes }),
  };
}

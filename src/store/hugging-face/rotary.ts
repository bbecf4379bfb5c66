// Rotary scaling in config.json, in its old form (`rope_theta`, `rope_scaling`) and its new one (`rope_parameters`).

import { z } from 'zod';
import { AppError } from '#base';
import type { LlamaConfig, RotaryScaling } from '#models';

/** The fields of both forms; each kind of scaling asks below for those it needs. */
export const rotarySchema = z.object({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: z.number().positive().nullish(),
  partial_rotary_factor: z.number().nullish(),
  factor: z.number().nullish(),
  original_max_position_embeddings: z.int().positive().nullish(),
  low_freq_factor: z.number().nullish(),
  high_freq_factor: z.number().nullish(),
  attention_factor: z.number().nullish(),
  beta_fast: z.number().nullish(),
  beta_slow: z.number().nullish(),
  mscale: z.number().nullish(),
  mscale_all_dim: z.number().nullish(),
  truncate: z.boolean().nullish(),
});

type RotaryFields = z.infer<typeof rotarySchema>;

interface RotarySource {
  readonly max_position_embeddings: number;
  readonly rope_theta?: number | null | undefined;
  readonly partial_rotary_factor?: number | null | undefined;
  readonly rope_scaling?: RotaryFields | null | undefined;
  readonly rope_parameters?: RotaryFields | null | undefined;
}

type RotaryConfig = Pick<LlamaConfig, 'rotaryBase' | 'rotaryScaling' | 'maxPositions'>;

const defaultBase = 10_000;

/**
 * Rotary settings of a Llama config. As in transformers, `rope_scaling` wins where both forms are there.
 *
 * @throws AppError `bad_config` naming the field
 */
export function readRotary(source: RotarySource): RotaryConfig {
  const [fields, place]: [RotaryFields, string] =
    source.rope_scaling != null ? [source.rope_scaling, 'rope_scaling'] : [source.rope_parameters ?? {}, 'rope_parameters'];
  const partial = fields.partial_rotary_factor ?? source.partial_rotary_factor ?? 1;
  if (partial !== 1) throw badField(`${place}.partial_rotary_factor`, `${partial} is not supported, only 1`);
  const maxPositions = source.max_position_embeddings;
  const rotaryScaling = readScaling(fields, place, maxPositions);
  return {
    rotaryBase: fields.rope_theta ?? source.rope_theta ?? defaultBase,
    rotaryScaling,
    // Dynamic scaling stretches when a sequence outgrows `max_position_embeddings`, which is there the original context.
    maxPositions: rotaryScaling.kind === 'dynamic' ? Math.round(maxPositions * rotaryScaling.factor) : maxPositions,
  };
}

function readScaling(fields: RotaryFields, place: string, maxPositions: number): RotaryScaling {
  const kind = fields.rope_type ?? fields.type ?? 'default';
  const needed = (field: 'factor' | 'low_freq_factor' | 'high_freq_factor'): number => {
    const value = fields[field];
    if (value == null || !(value > 0))
      throw badField(`${place}.${field}`, `"${kind}" needs a positive number, found ${value ?? 'nothing'}`);
    return value;
  };
  const originalMaxPositions = fields.original_max_position_embeddings ?? maxPositions;
  switch (kind) {
    case 'default':
      return { kind: 'none' };
    case 'linear':
      return { kind, factor: needed('factor') };
    case 'dynamic':
      return { kind, factor: needed('factor'), originalMaxPositions: maxPositions };
    case 'llama3': {
      const [lowFrequencyFactor, highFrequencyFactor] = [needed('low_freq_factor'), needed('high_freq_factor')];
      return { kind, factor: needed('factor'), lowFrequencyFactor, highFrequencyFactor, originalMaxPositions };
    }
    case 'yarn': {
      if (fields.truncate === false) throw badField(`${place}.truncate`, 'false is not supported');
      const factor = fields.factor ?? maxPositions / originalMaxPositions;
      const attentionFactor = fields.attention_factor ?? attentionFactorOf(fields, factor);
      const betas = { betaFast: fields.beta_fast || 32, betaSlow: fields.beta_slow || 1 };
      return { kind, factor, originalMaxPositions, ...betas, ...(attentionFactor === undefined ? {} : { attentionFactor }) };
    }
    default:
      throw badField(`${place}.rope_type`, `"${kind}" is not supported; supported are default, linear, dynamic, llama3 and yarn`);
  }
}

/** The quotient of two scales that some yarn configs give in place of `attention_factor`. */
function attentionFactorOf({ mscale, mscale_all_dim: allDimensions }: RotaryFields, factor: number): number | undefined {
  if (!mscale || !allDimensions) return undefined;
  const scale = (weight: number): number => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1);
  return scale(mscale) / scale(allDimensions);
}

function badField(field: string, problem: string): AppError {
  return new AppError('bad_config', `config.json: ${field}: ${problem}. Correct the field.`, { details: { field } });
}

interface LayeredSource extends Omit<RotarySource, 'rope_parameters'> {
  readonly rope_local_base_freq?: number | null | undefined;
  readonly rope_parameters?:
    | { readonly full_attention?: RotaryFields | null | undefined; readonly sliding_attention?: RotaryFields | null | undefined }
    | null
    | undefined;
}

const gemma3Bases = { full: 1_000_000, sliding: 10_000 };

/**
 * Rotary settings of a Gemma 3 config, whose layers with a sliding window have a base of their own and no scaling.
 *
 * @throws AppError `bad_config` naming the field
 */
export function readLayeredRotary(source: LayeredSource): RotaryConfig & Required<Pick<LlamaConfig, 'slidingRotaryBase'>> {
  const { full_attention: full, sliding_attention: sliding } = source.rope_parameters ?? {};
  const kind = sliding?.rope_type ?? sliding?.type ?? 'default';
  if (kind !== 'default')
    throw badField(
      'rope_parameters.sliding_attention.rope_type',
      `"${kind}" is not supported in layers with a sliding window, only default`,
    );
  const rotary = readRotary({ ...source, rope_theta: source.rope_theta ?? gemma3Bases.full, rope_parameters: full });
  if (rotary.rotaryScaling.kind === 'dynamic')
    throw badField('rope_parameters.full_attention.rope_type', '"dynamic" is not supported here');
  return { ...rotary, slidingRotaryBase: sliding?.rope_theta ?? source.rope_local_base_freq ?? gemma3Bases.sliding };
}

/** The old form and the new one, as `writeRotary`. */
export function writeLayeredRotary(config: RotaryConfig & Pick<LlamaConfig, 'slidingRotaryBase'>): Readonly<Record<string, unknown>> {
  const local = config.slidingRotaryBase ?? config.rotaryBase;
  const { rope_parameters: full, ...others } = writeRotary(config);
  return {
    ...others,
    rope_local_base_freq: local,
    rope_parameters: { full_attention: full, sliding_attention: { rope_type: 'default', rope_theta: local } },
  };
}

/** Both forms, so that older and newer releases of transformers read the same. */
export function writeRotary({ rotaryBase, rotaryScaling, maxPositions }: RotaryConfig): Readonly<Record<string, unknown>> {
  const scaling = writeScaling(rotaryScaling);
  return {
    max_position_embeddings: rotaryScaling.kind === 'dynamic' ? rotaryScaling.originalMaxPositions : maxPositions,
    rope_theta: rotaryBase,
    rope_scaling: scaling ?? null,
    rope_parameters: { rope_theta: rotaryBase, ...(scaling ?? { rope_type: 'default' }) },
  };
}

function writeScaling(scaling: RotaryScaling): Readonly<Record<string, unknown>> | undefined {
  switch (scaling.kind) {
    case 'none':
      return undefined;
    case 'linear':
    case 'dynamic':
      return { rope_type: scaling.kind, factor: scaling.factor };
    case 'llama3':
      return {
        rope_type: 'llama3',
        factor: scaling.factor,
        low_freq_factor: scaling.lowFrequencyFactor,
        high_freq_factor: scaling.highFrequencyFactor,
        original_max_position_embeddings: scaling.originalMaxPositions,
      };
    case 'yarn':
      return {
        rope_type: 'yarn',
        factor: scaling.factor,
        original_max_position_embeddings: scaling.originalMaxPositions,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        ...(scaling.attentionFactor === undefined ? {} : { attention_factor: scaling.attentionFactor }),
      };
  }
}

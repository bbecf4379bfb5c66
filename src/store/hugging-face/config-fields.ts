// Fields and checks that the readers of config.json share.
import { z } from 'zod';
import { AppError } from '#base';
import { type ModelConfig, mostLayers, mostSize } from '#models';

/** How messages name the file. */
export const place = 'config.json';

export const activationsByName = {
  gelu_new: 'geluTanh',
  gelu_pytorch_tanh: 'geluTanh',
  gelu: 'gelu',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
} as const;

export const size = z.int().positive().max(mostSize);
/** Lists of layers are made before a configuration is checked. */
export const depth = size.max(mostLayers);
export const positive = z.number().positive();
export const token = z.int().nonnegative();
export const tokens = z.union([token, z.array(token)]).nullish();
export const activation = z.enum(['gelu_new', 'gelu_pytorch_tanh', 'gelu', 'relu', 'silu', 'swish']);
/** A switch of transformers that changes what is computed and that we do not have. */
export function only<Value extends boolean>(value: Value): z.ZodOptional<z.ZodNullable<z.ZodLiteral<Value>>> {
  return z.literal(value).nullish();
}

interface TokenFields {
  readonly vocab_size: number;
  readonly bos_token_id?: number | null | undefined;
  readonly eos_token_id?: number | number[] | null | undefined;
  readonly exists: (id: number) => boolean;
}

/** @throws AppError `bad_config` for a token outside the vocabulary */
export function readTokens({
  vocab_size: vocabularySize,
  bos_token_id: begin,
  eos_token_id: end,
  exists,
}: TokenFields): Pick<ModelConfig, 'endTokens' | 'beginToken'> {
  const endTokens = [end ?? []].flat().filter(exists);
  const beginToken = begin == null || !exists(begin) ? undefined : begin;
  const check = (field: string, id: number): void => {
    if (id >= vocabularySize) throw badField(field, `${id} is outside the vocabulary 0..${vocabularySize - 1}`);
  };
  for (const id of endTokens) check('eos_token_id', id);
  if (beginToken !== undefined) check('bos_token_id', beginToken);
  return { endTokens, ...(beginToken === undefined ? {} : { beginToken }) };
}

/** @throws AppError `bad_config` naming both fields */
export function requireMultiple(field: string, value: number, ofField: string, of: number): void {
  if (value % of !== 0) throw badField(field, `${value} is not a multiple of ${ofField} ${of}`);
}

export function badField(field: string, problem: string): AppError {
  return new AppError('bad_config', `${place}: ${field}: ${problem}. Correct the field.`, { details: { field } });
}

/** transformers reads a number, a list or nothing. */
export function writeEndTokens(endTokens: readonly number[]): number | readonly number[] | null {
  return endTokens.length > 1 ? endTokens : (endTokens[0] ?? null);
}

// generation_config.json: the sampling settings that come with a checkpoint.
import { z } from 'zod';
import { checkJson, type JsonObject } from '../json.ts';
import { writeEndTokens } from './config-fields.ts';

/** Sampling defaults of a model, in our names; absent means that the checkpoint does not say. */
export interface GenerationDefaults {
  readonly beginToken?: number;
  readonly endTokens?: readonly number[];
  /** False is greedy. */
  readonly sample?: boolean;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly maxNewTokens?: number;
  /** For encoder-decoders: what the target starts with, and how it is searched. */
  readonly startToken?: number;
  readonly beams?: number;
  readonly lengthPenalty?: number;
  readonly earlyStopping?: boolean | 'never';
  readonly noRepeatNgram?: number;
  readonly firstToken?: number;
  readonly lastToken?: number;
  /** The start token included. */
  readonly maxLength?: number;
}

const token = z.int().nonnegative();

const schema = z.object({
  bos_token_id: token.nullish(),
  eos_token_id: z.union([token, z.array(token)]).nullish(),
  do_sample: z.boolean().nullish(),
  temperature: z.number().nonnegative().nullish(),
  top_k: z.int().nonnegative().nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().positive().nullish(),
  max_new_tokens: z.int().positive().nullish(),
  decoder_start_token_id: token.nullish(),
  num_beams: z.int().positive().nullish(),
  length_penalty: z.number().nullish(),
  early_stopping: z.union([z.boolean(), z.literal('never')]).nullish(),
  no_repeat_ngram_size: z.int().nonnegative().nullish(),
  forced_bos_token_id: token.nullish(),
  forced_eos_token_id: z.union([token, z.array(token)]).nullish(),
  max_length: z.int().positive().nullish(),
});

/** @throws AppError `bad_config` naming the field */
export function readGenerationConfig(json: unknown): GenerationDefaults {
  const fields = checkJson(schema, json, 'bad_config', 'generation_config.json');
  const endTokens = fields.eos_token_id == null ? undefined : [fields.eos_token_id].flat();
  return {
    ...present('beginToken', fields.bos_token_id),
    ...present('endTokens', endTokens),
    ...present('sample', fields.do_sample),
    ...present('temperature', fields.temperature),
    ...present('topK', fields.top_k),
    ...present('topP', fields.top_p),
    ...present('minP', fields.min_p),
    ...present('repetitionPenalty', fields.repetition_penalty),
    ...present('maxNewTokens', fields.max_new_tokens),
    ...present('startToken', fields.decoder_start_token_id),
    ...present('beams', fields.num_beams),
    ...present('lengthPenalty', fields.length_penalty),
    ...present('earlyStopping', fields.early_stopping),
    ...present('noRepeatNgram', fields.no_repeat_ngram_size),
    ...present('firstToken', fields.forced_bos_token_id),
    ...present('lastToken', [fields.forced_eos_token_id ?? []].flat()[0]),
    ...present('maxLength', fields.max_length),
  };
}

function present<Key extends string, Value>(key: Key, value: Value | null | undefined): { readonly [K in Key]?: Value } {
  return value == null ? {} : ({ [key]: value } as { readonly [K in Key]?: Value });
}

/** generation_config.json for these defaults. */
export function writeGenerationConfig(defaults: GenerationDefaults): JsonObject {
  return {
    ...present('bos_token_id', defaults.beginToken),
    ...present('eos_token_id', defaults.endTokens === undefined ? undefined : writeEndTokens(defaults.endTokens)),
    ...present('do_sample', defaults.sample),
    ...present('temperature', defaults.temperature),
    ...present('top_k', defaults.topK),
    ...present('top_p', defaults.topP),
    ...present('min_p', defaults.minP),
    ...present('repetition_penalty', defaults.repetitionPenalty),
    ...present('max_new_tokens', defaults.maxNewTokens),
    ...present('decoder_start_token_id', defaults.startToken),
    ...present('num_beams', defaults.beams),
    ...present('length_penalty', defaults.lengthPenalty),
    ...present('early_stopping', defaults.earlyStopping),
    ...present('no_repeat_ngram_size', defaults.noRepeatNgram),
    ...present('forced_bos_token_id', defaults.firstToken),
    ...present('forced_eos_token_id', defaults.lastToken),
    ...present('max_length', defaults.maxLength),
  };
}

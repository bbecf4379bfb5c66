// What clients may ask for, as OpenAI's API and vLLM's additions to it name the fields. Fields that are not named here are ignored.
import { z } from 'zod';
import { AppError } from '#base';
import { badField } from './errors.ts';

/** Clients send `null` for what they leave out. */
const optional = <Schema extends z.ZodType>(schema: Schema): z.ZodType<z.infer<Schema> | undefined> =>
  schema.nullish().transform((value) => value ?? undefined) as z.ZodType<z.infer<Schema> | undefined>;

const count = z.int().min(0);
const tokenId = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
/** Prompts or texts of one request. */
const largestBatch = 2048;

/** What is refused by name because leaving it out would give another answer than the one asked for. */
const unsupported = (why: string) =>
  z
    .unknown()
    .optional()
    .refine((value) => value === undefined || value === null || (Array.isArray(value) && value.length === 0), `is not supported: ${why}`);

const samplingFields = {
  model: optional(z.string()),
  temperature: optional(z.number().min(0).max(2)),
  top_p: optional(z.number().gt(0).max(1)),
  top_k: optional(z.int().min(-1)),
  min_p: optional(z.number().min(0).max(1)),
  repetition_penalty: optional(z.number().gt(0)),
  frequency_penalty: optional(z.number().min(-2).max(2)),
  presence_penalty: optional(z.number().min(-2).max(2)),
  logit_bias: optional(z.record(z.string().regex(/^\d+$/, 'must be token ids'), z.number().min(-100).max(100))),
  seed: optional(z.int()),
  stop: optional(z.union([z.string(), z.array(z.string()).max(64)])),
  stop_token_ids: optional(z.array(tokenId)),
  min_tokens: optional(count),
  ignore_eos: optional(z.boolean()),
  n: optional(z.int().min(1).max(128)),
  priority: optional(z.int()),
  stream: optional(z.boolean()),
  stream_options: optional(z.object({ include_usage: optional(z.boolean()) })),
};

const completionSchema = z.object({
  ...samplingFields,
  prompt: z.unknown(),
  max_tokens: optional(count),
  best_of: optional(z.int().min(1).max(128)),
  echo: optional(z.boolean()),
  /** Of text prompts: what the tokenizer puts around a prompt. */
  add_special_tokens: optional(z.boolean()),
  logprobs: optional(z.int().min(0).max(20)),
  suffix: unsupported('the model only continues texts. Leave it out.'),
});

const textPart = z.object({ type: z.literal('text', 'must be "text": the model reads nothing else'), text: z.string() });

const messageSchema = z.object({
  role: z.string(),
  content: z.union([z.string(), z.array(textPart)]).nullish(),
  name: z.string().optional(),
});

const chatSchema = z.object({
  ...samplingFields,
  messages: z.array(messageSchema).min(1),
  max_tokens: optional(z.int().min(1)),
  max_completion_tokens: optional(z.int().min(1)),
  logprobs: optional(z.boolean()),
  top_logprobs: optional(z.int().min(0).max(20)),
  tools: unsupported('the model calls no tools. Leave it out.'),
  functions: unsupported('the model calls no functions. Leave it out.'),
  response_format: optional(z.object({ type: z.literal('text', 'must be "text": output is not constrained') })),
});

const embeddingSchema = z.object({
  model: optional(z.string()),
  input: z.union(
    [z.string(), z.array(z.string()).min(1).max(largestBatch)],
    'must be a text or a list of texts; token ids are not embedded',
  ),
  encoding_format: optional(z.enum(['float', 'base64'])),
  dimensions: optional(z.int().min(1)),
});

const tokenizeSchema = z.object({
  model: optional(z.string()),
  prompt: z.string().optional(),
  messages: z.array(messageSchema).min(1).optional(),
  add_special_tokens: optional(z.boolean()),
  add_generation_prompt: optional(z.boolean()),
});

const detokenizeSchema = z.object({ model: optional(z.string()), tokens: z.array(tokenId) });

export type SamplingFields = Pick<z.infer<typeof completionSchema>, keyof typeof samplingFields>;
export type CompletionRequest = z.infer<typeof completionSchema>;
export type ChatRequest = z.infer<typeof chatSchema>;
export type ChatRequestMessage = z.infer<typeof messageSchema>;
export type EmbeddingRequest = z.infer<typeof embeddingSchema>;
export type TokenizeRequest = z.infer<typeof tokenizeSchema>;

export const readCompletion = (body: unknown): CompletionRequest => read(completionSchema, body);
export const readChat = (body: unknown): ChatRequest => read(chatSchema, body);
export const readEmbedding = (body: unknown): EmbeddingRequest => read(embeddingSchema, body);
export const readTokenize = (body: unknown): TokenizeRequest => read(tokenizeSchema, body);
export const readDetokenize = (body: unknown): z.infer<typeof detokenizeSchema> => read(detokenizeSchema, body);

/** @throws AppError `invalid_argument` naming the first field that is wrong */
function read<Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.map(String) ?? [];
  if (path.length === 0) throw new AppError('invalid_argument', 'the body must be a JSON object with the fields of this call.');
  throw new AppError('invalid_argument', `${path.join('.')}: ${(issue?.message ?? 'is wrong').replace(/\.?$/, '.')}`, {
    details: { field: path[0] ?? '' },
  });
}

export type Prompt = string | readonly number[];

/**
 * The prompts of a completion: a text, texts, token ids, or lists of token ids of any lengths.
 *
 * @throws AppError `invalid_argument`
 */
export function readPrompts(prompt: unknown): readonly Prompt[] {
  if (typeof prompt === 'string') return [prompt];
  if (prompt === undefined || prompt === null) throw badField('prompt', 'is missing. Give a text or token ids.');
  if (!Array.isArray(prompt) || prompt.length === 0)
    throw badField('prompt', 'must be a text, a list of texts, token ids, or a list of lists of token ids.');
  const items: readonly unknown[] = prompt;
  if (items.every((item) => typeof item === 'number')) return [tokenIds(items, 'prompt')];
  if (items.length > largestBatch) throw badField('prompt', `${items.length} prompts are more than ${largestBatch}. Send fewer at a time.`);
  return items.map((item, index) => {
    if (typeof item === 'string') return item;
    if (Array.isArray(item)) return tokenIds(item, `prompt.${index}`);
    throw badField('prompt', `item ${index} is neither a text nor a list of token ids.`);
  });
}

function tokenIds(values: readonly unknown[], place: string): number[] {
  return values.map((value, index) => {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw new AppError('invalid_argument', `${place}: ${JSON.stringify(value) ?? 'nothing'} at position ${index} is not a token id.`, {
      details: { field: 'prompt' },
    });
  });
}

// Settings of the warm-start step, as recipes write them.
import { z } from 'zod';

/** Where a stack's weights come from. */
const source = z.string().min(1, 'must be "same", "random" or the name of a stored model').default('same');

const token = z.int().min(0).optional();

const fields = z.strictObject({
  /** `same` is the model of the recipe, `random` new weights of its sizes; anything else names a stored model. */
  encoder: source,
  /** The same for the decoder, its embeddings and its head. */
  decoder: source,
  /** Whether both stacks are the same tensors, as in BERTShare. */
  share: z.boolean().default(false),
  /** Whether encoder and decoder read one table of tokens. Default: unless two different models give one each. */
  shareEmbedding: z.boolean().optional(),
  /** What the decoder's attention to the encoder starts as: new weights, or those of its attention to itself. */
  crossAttention: z.enum(['random', 'self']).default('random'),
  /** What the decoder reads in front of the target. Default: what the tokenizer puts in front of a text. */
  startToken: token,
  /** What ends a target. Default: what the tokenizer puts behind a text. */
  endToken: token,
  /** Of the new weights; the recipe's when absent. */
  seed: z.int().optional(),
});

export const warmStartSettings = fields.check((context) => {
  const { encoder, decoder, share, shareEmbedding, crossAttention } = context.value;
  const fail = (message: string, ...path: string[]): void => {
    context.issues.push({ code: 'custom', message, path, input: context.value });
  };
  const isNamed = (name: string): boolean => name !== 'same' && name !== 'random';
  if (isNamed(encoder) && isNamed(decoder))
    fail('one of encoder and decoder must be "same", the model of the recipe; compress that model in place of naming both', 'encoder');
  if (share && encoder !== decoder)
    fail(`needs the same weights on both sides, got encoder "${encoder}" and decoder "${decoder}"`, 'share');
  if (share && shareEmbedding === false) fail('is false, but share makes all of both stacks one', 'shareEmbedding');
  if (shareEmbedding === true && (isNamed(encoder) || isNamed(decoder)) && encoder !== 'random' && decoder !== 'random')
    fail('needs one table of tokens, but two models give one each', 'shareEmbedding');
  if (crossAttention === 'self' && decoder === 'random')
    fail('copies the decoder\'s attention to itself, which is "random" here', 'crossAttention');
});

export type WarmStartSettings = z.infer<typeof fields>;

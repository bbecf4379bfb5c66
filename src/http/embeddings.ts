// POST /v1/embeddings: one vector a text.
import { AppError, quietContext } from '#base';
import { badField } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { readEmbedding } from './request-schemas.ts';
import type { Services } from './services.ts';

export async function embeddings(exchange: Exchange, services: Services, body: unknown, pathModel?: string): Promise<void> {
  const { input, encoding_format = 'float', dimensions, model: inBody } = readEmbedding(body);
  const model = await services.modelOf(inBody, pathModel);
  const texts = typeof input === 'string' ? [input] : input;
  const vectors = await services.inference.embed(model, texts, {}, { ...quietContext, signal: exchange.signal });
  const data = vectors.map(({ values }, index) => {
    if (dimensions !== undefined && dimensions !== values.length)
      throw badField('dimensions', `must be ${values.length}, the width of "${model}", or be left out.`);
    if (!values.every(Number.isFinite))
      throw new AppError('bad_weights', `input ${index}: the model's vector is not finite. Import an undamaged checkpoint.`);
    return { object: 'embedding', index, embedding: encoding_format === 'base64' ? base64(values) : Array.from(values) };
  });
  const tokens = vectors.reduce((sum, vector) => sum + vector.tokens, 0);
  exchange.sendJson({ object: 'list', data, model, usage: { prompt_tokens: tokens, total_tokens: tokens } });
}

/** Little-endian float32, which clients unpack faster than digits. */
function base64(values: Float32Array): string {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes.toString('base64');
}

// /tokenize, /detokenize and /tokenizer_info, as vLLM has them: with these a harness needs no tokenizer of its own.
import { chatPrompt } from './chat-prompt.ts';
import { badField } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { readDetokenize, readTokenize } from './request-schemas.ts';
import type { Services } from './services.ts';

export async function tokenize(exchange: Exchange, services: Services, body: unknown, pathModel?: string): Promise<void> {
  const { prompt, messages, add_special_tokens = true, add_generation_prompt = true, model: inBody } = readTokenize(body);
  const model = await services.modelOf(inBody, pathModel);
  const { contextTokens } = await services.inference.describe(model);
  if ((prompt === undefined) === (messages === undefined)) throw badField('prompt', 'give either prompt or messages.');
  const ids =
    messages === undefined
      ? (await services.inference.tokenizer(model)).encode(prompt ?? '', { addSpecialTokens: add_special_tokens })
      : await chatPrompt(services.inference, model, messages, add_generation_prompt);
  exchange.sendJson({ tokens: Array.from(ids), count: ids.length, max_model_len: contextTokens });
}

export async function detokenize(exchange: Exchange, services: Services, body: unknown, pathModel?: string): Promise<void> {
  const { tokens, model: inBody } = readDetokenize(body);
  const model = await services.modelOf(inBody, pathModel);
  exchange.sendJson({ prompt: await services.inference.detokenize(model, tokens) });
}

export async function tokenizerInfo(exchange: Exchange, services: Services, model?: string): Promise<void> {
  const { tokens, chatTemplate, contextTokens } = await services.inference.describe(await services.modelOf(undefined, model));
  exchange.sendJson({
    bos_token: tokens.begin?.text ?? null,
    eos_token: tokens.end?.text ?? null,
    pad_token: tokens.pad?.text ?? null,
    chat_template: chatTemplate ?? null,
    model_max_length: contextTokens,
  });
}

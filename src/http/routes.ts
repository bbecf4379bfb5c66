// Which path means which endpoint.
import { chatCompletions } from './chat.ts';
import { completions } from './completions.ts';
import { embeddings } from './embeddings.ts';
import { RequestFault } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { getModel, listModels } from './model-list.ts';
import type { Services } from './services.ts';
import { detokenize, tokenize, tokenizerInfo } from './tokenizing.ts';

type Post = (exchange: Exchange, services: Services, body: unknown, pathModel?: string) => Promise<void>;
type Get = (exchange: Exchange, services: Services, pathModel?: string) => Promise<void>;

const posts: Readonly<Record<string, Post>> = {
  '/v1/completions': completions,
  '/v1/chat/completions': chatCompletions,
  '/v1/embeddings': embeddings,
  '/tokenize': tokenize,
  '/detokenize': detokenize,
};

const gets: Readonly<Record<string, Get>> = {
  '/v1/models': listModels,
  '/tokenizer_info': tokenizerInfo,
};

const singleModel = /^\/v1\/models\/([^/]+)$/;

/** The endpoint of a URL in words that do not depend on models; nothing where there is none. */
export function routeOf(url: string): string | undefined {
  try {
    const { path } = pathOf(url);
    if (singleModel.test(path)) return '/v1/models/{model}';
    return Object.hasOwn(posts, path) || Object.hasOwn(gets, path) ? path : undefined;
  } catch {
    return undefined;
  }
}

/** Answers a request, or throws what `errorReply` turns into an answer. @throws RequestFault | AppError */
export async function route(exchange: Exchange, services: Services, maxBodyBytes: number): Promise<void> {
  const { method = '', url = '' } = exchange.request;
  const { path, model } = pathOf(url);
  const post = Object.hasOwn(posts, path) ? posts[path] : undefined;
  const get = Object.hasOwn(gets, path) ? gets[path] : undefined;
  const single = singleModel.exec(path)?.[1];
  const allowed = post === undefined ? 'GET' : 'POST';
  if (post === undefined && get === undefined && single === undefined)
    throw new RequestFault(404, 'unknown_url', `${method} ${path.slice(0, 200)}: there is no such endpoint.`);
  if (method !== allowed)
    throw new RequestFault(405, 'method_not_allowed', `${path}: wants ${allowed}, got ${method}.`, { allow: allowed });
  if (post !== undefined) await post(exchange, services, await exchange.json(maxBodyBytes), model);
  else if (get !== undefined) await get(exchange, services, model);
  else if (single !== undefined) await getModel(exchange, services, single);
}

/** `/models/NAME` before any path names the model for clients that cannot: those that only know a base URL. */
function pathOf(url: string): { readonly path: string; readonly model?: string } {
  let path: string;
  try {
    path = decodeURIComponent(new URL(url, 'http://server').pathname).replace(/(.)\/+$/, '$1');
  } catch {
    throw new RequestFault(400, 'bad_url', 'the path of the request cannot be read.');
  }
  const [, model, rest] = /^\/models\/([^/]+)(\/.+)$/.exec(path) ?? [];
  return model === undefined || rest === undefined ? { path } : { path: rest, model };
}

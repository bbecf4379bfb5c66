// An HTTP server whose model says what a test wants it to say, token by token.
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { onTestFinished } from 'vitest';
import { AppError, yieldToEventLoop } from '#base';
import { HttpServer, type HttpServerOptions } from '#http';
import type { InferenceBackend, ModelDescription } from '#jobs';
import type { GenerationEvent, GenerationRequest } from '#serve';
import { byteTokenizer } from '../serve/fakes.ts';

const description: ModelDescription = {
  reference: 'fake@1',
  task: 'causal',
  vocabularySize: 258,
  contextTokens: 1000,
  tokens: { end: { id: 257, text: '<end>' } },
  width: 8,
};

const usage = { promptTokens: 3, generatedTokens: 2, totalMs: 1, cachedPromptTokens: 0, draftedTokens: 0, acceptedTokens: 0 };

/** What the scripted model does with a request. */
export type Script = (request: GenerationRequest, signal: AbortSignal) => AsyncIterable<GenerationEvent>;

export function token(text: string, index = 0, logProbability?: number): GenerationEvent {
  const id = text.charCodeAt(0) || 0;
  const logprobs = logProbability === undefined ? {} : { logprobs: { id, text, logProbability, top: [] } };
  return { kind: 'token', index, token: { id }, text, ...logprobs };
}

export function finished(reason: 'end' | 'stop' | 'length' = 'end', index = 0): GenerationEvent {
  return { kind: 'finished', index, text: '', reason, usage };
}

/** Says each text as one token, then ends. */
export function saying(...texts: readonly string[]): Script {
  return async function* (request) {
    for (let index = 0; index < (request.n ?? 1); index++) {
      for (const text of texts) {
        await yieldToEventLoop();
        yield token(text, index);
      }
      yield finished('end', index);
    }
  };
}

/** Says `text` until the signal; `onEnd` hears how many tokens that were. */
export function babbling(text: string, onEnd: (tokens: number) => void = () => {}): Script {
  return async function* (_request, signal) {
    let tokens = 0;
    try {
      for (; !signal.aborted; tokens++) {
        await yieldToEventLoop();
        yield token(text);
      }
      yield { kind: 'finished', index: 0, text: '', reason: 'cancelled', usage };
    } finally {
      onEnd(tokens);
    }
  };
}

export interface Scripted {
  readonly server: HttpServer;
  readonly url: string;
  readonly requests: GenerationRequest[];
  post(path: string, body: unknown): Promise<Response>;
  /** A connection whose answer the test reads at its own pace. */
  open(path: string, body: unknown): Promise<IncomingMessage>;
}

export async function scripted(
  script: Script,
  options: Partial<HttpServerOptions> & { readonly description?: Partial<ModelDescription> } = {},
): Promise<Scripted> {
  const requests: GenerationRequest[] = [];
  const unknown = (name: string): AppError => new AppError('model_not_found', `"${name}": no model has this name.`);
  const known = (name: string): void => {
    if (name !== 'fake') throw unknown(name);
  };
  const notHere = async (): Promise<never> => {
    throw new AppError('unsupported', 'the scripted model only generates.');
  };
  const inference: InferenceBackend = {
    generate: (model, request, signal) => {
      known(model);
      requests.push(request);
      return script(request, signal);
    },
    score: notHere,
    classify: notHere,
    embed: notHere,
    fillMask: notHere,
    distributions: notHere,
    tokenize: async (_model, text) => byteTokenizer.encode(text, { addSpecialTokens: false }),
    detokenize: async (_model, ids) => byteTokenizer.decode(ids, { skipSpecialTokens: false }),
    describe: async (model) => {
      known(model);
      return { ...description, ...options.description };
    },
    tokenizer: async (model) => {
      known(model);
      return byteTokenizer;
    },
  };
  const record = { name: 'fake', createdMs: 5_000 };
  const models = {
    list: async () => [record],
    get: async (name: string) => {
      known(name);
      return record;
    },
  };
  const server = await HttpServer.listen({ inference, models, address: '127.0.0.1:0', ...options });
  onTestFinished(() => server.stop({ graceMs: 0 }));
  const url = `http://127.0.0.1:${server.port}`;
  const headers = { 'content-type': 'application/json' };
  return {
    server,
    url,
    requests,
    post: (path, body) => fetch(url + path, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) }),
    open: async (path, body) => {
      const sent = httpRequest(url + path, { method: 'POST', headers });
      sent.on('error', () => {});
      sent.end(JSON.stringify(body));
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      response.on('error', () => {});
      return response;
    },
  };
}

/** The data of server-sent events. */
export function eventsOf(text: string): string[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => block.replace(/^data: /, ''));
}

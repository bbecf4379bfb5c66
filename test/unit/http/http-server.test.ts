// The HTTP endpoints over a real connection, with a model that says what it is told.
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { AppError, yieldToEventLoop } from '#base';
import { babbling, eventsOf, finished, saying, scripted, token } from './scripted-backend.ts';

const json = async (response: Response): Promise<Record<string, unknown>> => (await response.json()) as Record<string, unknown>;

describe('requests that cannot be answered', () => {
  it.each([
    ['no JSON', '/v1/completions', '{"prompt":', 400, 'bad_json'],
    ['no object', '/v1/completions', '[]', 400, 'invalid_argument'],
    ['bytes that are no UTF-8 text', '/v1/completions', '"\\ud800', 400, 'bad_json'],
    ['deep nesting', '/v1/completions', '['.repeat(200_000), 400, 'bad_json'],
    ['an unknown path', '/v2/completions', '{}', 404, 'unknown_url'],
    ['a path of the prototype', '/constructor', '{}', 404, 'unknown_url'],
    ['a broken escape', '/%E0%A4%A', '{}', 400, 'bad_url'],
    ['the wrong method', '/v1/models', '{}', 405, 'method_not_allowed'],
    ['an unknown model', '/v1/completions', '{"model":"other","prompt":"x"}', 404, 'model_not_found'],
    ['a missing prompt', '/v1/completions', '{}', 400, 'invalid_argument'],
    ['a prompt of mixed lists', '/v1/completions', '{"prompt":[[1,"a"]]}', 400, 'invalid_argument'],
    ['an empty prompt list', '/v1/completions', '{"prompt":[]}', 400, 'invalid_argument'],
    ['a negative token', '/v1/completions', '{"prompt":[-1]}', 400, 'invalid_argument'],
    ['NaN', '/v1/completions', '{"prompt":"x","temperature":NaN}', 400, 'bad_json'],
    ['a number beyond all numbers', '/v1/completions', '{"prompt":"x","temperature":1e999}', 400, 'invalid_argument'],
    ['a suffix', '/v1/completions', '{"prompt":"x","suffix":"y"}', 400, 'invalid_argument'],
    [
      'more continuations than one answer holds',
      '/v1/completions',
      `{"n":128,"prompt":${JSON.stringify(Array(40).fill('x'))}}`,
      400,
      'invalid_argument',
    ],
    ['no messages', '/v1/chat/completions', '{"messages":[]}', 400, 'invalid_argument'],
    ['no template', '/v1/chat/completions', '{"messages":[{"role":"user","content":"x"}]}', 400, 'no_chat_template'],
    ['an image', '/v1/chat/completions', '{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}', 400, 'invalid_argument'],
    ['what is not supported', '/v1/embeddings', '{"input":"x"}', 400, 'unsupported'],
    ['neither prompt nor messages', '/tokenize', '{}', 400, 'invalid_argument'],
  ])('get a named error: %s', async (_what, path, body, status, code) => {
    const { post } = await scripted(saying('a'));
    const response = await post(path, body);
    expect(response.status).toBe(status);
    expect(await json(response)).toEqual({
      error: {
        message: expect.any(String) as string,
        type: 'invalid_request_error',
        param: expect.toSatisfy((param: unknown) => param === null || typeof param === 'string') as unknown,
        code,
      },
    });
  });

  it('names the parameter as the API calls it', async () => {
    const { post } = await scripted(() => {
      throw new AppError('invalid_argument', 'maxNewTokens: too many.', { details: { field: 'maxNewTokens' } });
    });
    const { error } = await json(await post('/v1/completions', { prompt: 'x' }));
    expect(error).toMatchObject({ param: 'max_tokens' });
  });

  it('refuses what a page of another site can send', async () => {
    const { url } = await scripted(saying('a'));
    const response = await fetch(`${url}/v1/completions`, { method: 'POST', body: '{"prompt":"x"}' });
    expect(response.status).toBe(415);
  });

  it('refuses bodies over the limit, whether they say their length or not, and goes on', async () => {
    const { post, url } = await scripted(saying('a'), { maxBodyBytes: 1000 });
    expect((await post('/v1/completions', { prompt: 'x'.repeat(1500) })).status).toBe(413);
    const chunks = new ReadableStream({
      start(controller) {
        for (let index = 0; index < 3; index++) controller.enqueue(new TextEncoder().encode('x'.repeat(500)));
        controller.close();
      },
    });
    const headers = { 'content-type': 'application/json' };
    const streamed = await fetch(`${url}/v1/completions`, { method: 'POST', headers, body: chunks, duplex: 'half' } as RequestInit);
    expect(streamed.status).toBe(413);
    expect((await post('/v1/completions', { prompt: 'x' })).status).toBe(200);
  });

  it('says nothing of the server where something breaks', async () => {
    const { post } = await scripted(() => {
      throw new Error('cannot read /srv/secret/model.bin');
    });
    const response = await post('/v1/completions', { prompt: 'x' });
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).toContain('"type":"server_error"');
    expect(text).not.toContain('secret');
  });

  it('asks an overloaded client to come again', async () => {
    const { post } = await scripted(() => {
      throw new AppError('insufficient_memory', 'the queue is full.');
    });
    const response = await post('/v1/completions', { prompt: 'x' });
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '1']);
  });
});

describe('completions', () => {
  it('give OpenAI’s defaults to the model and every field its place', async () => {
    const { post, requests } = await scripted(saying('a', 'b'));
    await post('/v1/completions', { prompt: 'x', seed: null, stop: null, logit_bias: null, n: null });
    expect(requests[0]).toMatchObject({ prompt: 'x', maxNewTokens: 16, stop: [], sampling: { temperature: 1 } });
    const fields = {
      temperature: 0.5,
      top_p: 0.9,
      top_k: -1,
      min_p: 0.1,
      frequency_penalty: 1,
      presence_penalty: -1,
      repetition_penalty: 1.5,
    };
    const others = {
      seed: 7,
      stop: ['x', ''],
      stop_token_ids: [3],
      min_tokens: 1,
      ignore_eos: true,
      n: 2,
      best_of: 3,
      logit_bias: { 65: -100 },
    };
    await post('/v1/completions', { prompt: [[1, 2], [3]], max_tokens: 4, logprobs: 1, echo: true, ...fields, ...others });
    expect(requests[1]).toEqual({
      prompt: [1, 2],
      maxNewTokens: 4,
      minNewTokens: 1,
      sampling: {
        temperature: 0.5,
        topP: 0.9,
        topK: 0,
        minP: 0.1,
        frequencyPenalty: 1,
        presencePenalty: -1,
        repetitionPenalty: 1.5,
        seed: 7,
        logitBias: new Map([[65, -100]]),
      },
      stop: ['x'],
      stopTokenIds: [3],
      ignoreEnd: true,
      n: 2,
      bestOf: 3,
      logprobs: 1,
      promptLogprobs: 1,
    });
    expect(requests[2]?.prompt).toEqual([3]);
  });

  it('leave out what the tokenizer puts around a text where that is asked for', async () => {
    const { post, requests } = await scripted(saying('a'));
    const { choices } = await json(await post('/v1/completions', { prompt: ['xy', [3]], add_special_tokens: false, echo: true }));
    expect(requests.map(({ prompt }) => Array.from(prompt as ArrayLike<number>))).toEqual([[120, 121], [3]]);
    expect(choices).toMatchObject([{ text: 'xya' }, {}]);
  });

  it('number the continuations of all prompts and sum their usage', async () => {
    const { post } = await scripted(saying('a', 'b'));
    const { choices, usage } = await json(await post('/v1/completions', { prompt: ['x', 'y'], n: 2, echo: true }));
    expect(choices).toEqual(['xab', 'xab', 'yab', 'yab'].map((text, index) => ({ index, text, logprobs: null, finish_reason: 'stop' })));
    expect(usage).toMatchObject({ prompt_tokens: 6, completion_tokens: 8, total_tokens: 14 });
  });

  it('never hold a number that JSON has not', async () => {
    const { post } = await scripted(async function* () {
      yield token('a', 0, Number.NEGATIVE_INFINITY);
      yield token('b', 0, Number.NaN);
      yield finished('length');
    });
    const text = await (await post('/v1/completions', { prompt: 'x', logprobs: 0 })).text();
    expect(text).toContain('"token_logprobs":[-9999,-9999],"top_logprobs":[{"a":-9999},{"b":-9999}]');
  });

  it('show parts of characters as bytes, each different', async () => {
    const euro = [...new TextEncoder().encode('€')];
    const { post } = await scripted(async function* () {
      for (const [place, id] of euro.entries())
        yield {
          kind: 'token',
          index: 0,
          token: { id },
          text: place === 2 ? '€' : '',
          logprobs: { id, text: '�', logProbability: -1, top: [] },
        };
      yield finished();
    });
    const { choices } = await json(await post('/v1/completions', { prompt: 'x', logprobs: 0 }));
    expect(choices).toMatchObject([
      { text: '€', logprobs: { tokens: ['bytes:\\xe2', 'bytes:\\x82', 'bytes:\\xac'], text_offset: [0, 0, 0] } },
    ]);
  });

  it('answer the prompt alone where no token is wanted', async () => {
    const { post, requests } = await scripted(saying('a'));
    const { choices, usage } = await json(await post('/v1/completions', { prompt: 'x', max_tokens: 0, echo: true }));
    expect(choices).toMatchObject([{ text: 'x', finish_reason: 'length' }]);
    expect(usage).toMatchObject({ completion_tokens: 0 });
    expect(requests[0]?.maxNewTokens).toBe(1);
  });

  it('take the model from the path for clients that only know a base URL', async () => {
    const { post, url } = await scripted(saying('a'));
    expect((await post('/models/fake/v1/completions', { prompt: 'x' })).status).toBe(200);
    expect((await post('/models/other/v1/completions', { prompt: 'x' })).status).toBe(404);
    expect(await json(await fetch(`${url}/models/fake/tokenizer_info`))).toMatchObject({ eos_token: '<end>', bos_token: null });
  });
});

describe('streams', () => {
  it('send a token an event, the reason, the usage and the mark of the end', async () => {
    const { post } = await scripted(saying('a', '', 'b'));
    const response = await post('/v1/completions', { prompt: 'x', stream: true, stream_options: { include_usage: true } });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const events = eventsOf(await response.text());
    expect(events.at(-1)).toBe('[DONE]');
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event) as { choices: { text: string }[]; usage: object | null });
    expect(chunks.map(({ choices }) => choices[0]?.text)).toEqual(['a', 'b', '', undefined]);
    expect(chunks.map(({ usage }) => usage !== null)).toEqual([false, false, false, true]);
  });

  it('begin a chat with the role', async () => {
    const chatTemplate = '{% for m in messages %}{{ m.content }}{% endfor %}';
    const { post, requests } = await scripted(saying('a'), { description: { chatTemplate } });
    const messages = [{ role: 'user', content: 'hi' }];
    const events = eventsOf(await (await post('/v1/chat/completions', { messages, stream: true })).text());
    const deltas = events.slice(0, -1).map((event) => (JSON.parse(event) as { choices: { delta: object }[] }).choices[0]?.delta);
    expect(deltas).toEqual([{ role: 'assistant', content: '' }, { content: 'a' }, {}]);
    expect(Array.from(requests[0]?.prompt as ArrayLike<number>)).toEqual([104, 105]);
    expect(requests[0]?.maxNewTokens).toBe(1000);
  });

  it('answer an error before the first token as an error, and one after it as the last event', async () => {
    const { post } = await scripted(async function* (request) {
      if (request.prompt === 'late') yield token('a');
      throw new AppError('bad_weights', 'the logits are not numbers.');
    });
    expect((await post('/v1/completions', { prompt: 'early', stream: true })).status).toBe(400);
    const late = await post('/v1/completions', { prompt: 'late', stream: true });
    expect(late.status).toBe(200);
    const events = eventsOf(await late.text());
    expect(JSON.parse(events.at(-1) ?? '')).toMatchObject({ error: { code: 'bad_weights' } });
  });

  it.each([true, false])('stop the model when the client leaves (stream: %s)', async (stream) => {
    let tokens = -1;
    const { open, server, url } = await scripted(babbling('a', (count) => (tokens = count)));
    if (stream) {
      const response = await open('/v1/completions', { prompt: 'x', stream });
      await once(response, 'data');
      response.destroy();
    } else {
      const leaving = new AbortController();
      const headers = { 'content-type': 'application/json' };
      const answer = fetch(`${url}/v1/completions`, { method: 'POST', headers, body: '{"prompt":"x"}', signal: leaving.signal });
      while (server.openRequests === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      leaving.abort();
      await expect(answer).rejects.toThrow();
    }
    while (tokens < 0 || server.openRequests > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(server.openRequests).toBe(0);
  });

  it('join the tokens that a slow reader has not taken, and lose none', async () => {
    // Far more than the sockets between the two hold.
    const total = 20_000;
    const size = 1000;
    let said = 0;
    const { open } = await scripted(async function* () {
      for (; said < total; said++) {
        if (said % 100 === 0) await yieldToEventLoop();
        yield token(String.fromCharCode(97 + (said % 26)).repeat(size));
      }
      yield finished('length');
    });
    const response = await open('/v1/completions', { prompt: 'x', stream: true });
    response.pause();
    while (said < total) await new Promise((resolve) => setTimeout(resolve, 5));
    let text = '';
    for await (const chunk of response) text += String(chunk);
    const events = eventsOf(text);
    expect(events.at(-1)).toBe('[DONE]');
    const texts = events.slice(0, -1).map((event) => (JSON.parse(event) as { choices: { text: string }[] }).choices[0]?.text ?? '');
    expect(texts.length).toBeLessThan(total / 2);
    const joined = texts.join('');
    expect(joined).toHaveLength(total * size);
    expect(joined.slice(-size)).toBe(String.fromCharCode(97 + ((total - 1) % 26)).repeat(size));
  });

  it('of one slow reader do not hold up another', async () => {
    const { open, post } = await scripted((request, signal) =>
      request.prompt === 'endless' ? babbling('a'.repeat(100))(request, signal) : saying('b')(request, signal),
    );
    const slow = await open('/v1/completions', { prompt: 'endless', stream: true });
    slow.pause();
    expect((await post('/v1/completions', { prompt: 'x' })).status).toBe(200);
    slow.destroy();
  });
});

describe('stopping', () => {
  it('says so in /health first, refuses new requests, lets a stream end, and names the cut where it does not', async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const { open, post, server, url } = await scripted(async function* (request, signal) {
      yield token('a');
      if (request.prompt === 'ends') await held;
      else await new Promise((resolve) => signal.addEventListener('abort', resolve));
      if (signal.aborted)
        yield {
          kind: 'finished',
          index: 0,
          text: '',
          reason: 'cancelled',
          usage: { promptTokens: 1, generatedTokens: 1, totalMs: 1, cachedPromptTokens: 0, draftedTokens: 0, acceptedTokens: 0 },
        };
      else yield finished();
    });
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const [ending, hanging] = await Promise.all(['ends', 'hangs'].map((prompt) => open('/v1/completions', { prompt, stream: true })));
    const texts = [ending, hanging].map(async (response) => {
      let text = '';
      for await (const chunk of response ?? []) text += String(chunk);
      return eventsOf(text).at(-1);
    });
    const stopped = server.stop({ pauseMs: 100, graceMs: 300 });
    expect((await fetch(`${url}/health`)).status).toBe(503);
    await new Promise((resolve) => setTimeout(resolve, 150));
    const refused = await post('/v1/completions', { prompt: 'x' });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
    release();
    const [end, cut] = await Promise.all(texts);
    expect(end).toBe('[DONE]');
    expect(JSON.parse(cut ?? '')).toMatchObject({ error: { code: 'unavailable' } });
    await stopped;
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  });

  it('names an address that it cannot have', async () => {
    const { server } = await scripted(saying('a'));
    await expect(scripted(saying('a'), { address: `127.0.0.1:${server.port}` })).rejects.toMatchObject({ code: 'unavailable' });
    await expect(scripted(saying('a'), { address: 'nowhere' })).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});

// Generate with the fields of sampling, continuations and log probabilities over a real connection, on a small real model.
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AthanorClient } from '#server';
import { temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';

const folder = temporaryFolderForSuite();
let running: RunningServer;
let client: AthanorClient;

beforeAll(async () => {
  running = await startServer({ store: folder, address: '127.0.0.1:0' });
  client = new AthanorClient(`127.0.0.1:${running.server.port}`);
  const path = fileURLToPath(new URL('../fixtures/models/stories260K', import.meta.url));
  await client.unary(client.protocol.model.Import, { name: 'stories', path });
});

afterAll(async () => {
  client.close();
  await running.stop();
});

const opening = { model: 'stories', text: 'Once upon a time, there was a little', maxNewTokens: 12 };

/** All messages of a request. */
async function messagesOf(fields: object) {
  const messages = [];
  for await (const message of client.serverStream(client.protocol.inference.Generate, { ...opening, ...fields })) messages.push(message);
  return messages;
}

async function textOf(fields: object): Promise<string> {
  return (await messagesOf(fields)).map(({ text }) => text).join('');
}

async function idOf(text: string): Promise<number> {
  const { ids } = await client.unary(client.protocol.inference.Tokenize, { model: 'stories', text });
  return ids.at(-1) ?? 0;
}

describe('Generate', () => {
  it('tells the greedy story, and another one where a bias forbids its first word', async () => {
    expect(await textOf({})).toMatch(/^ girl named Lily/);
    const girl = (await messagesOf({ maxNewTokens: 1 }))[0]?.tokenIds[0] ?? 0;
    expect(await textOf({ logitBias: { [girl]: -100 } })).toMatch(/^ (?!girl)/);
  });

  it('says less of the same with penalties', async () => {
    const repeats = async (fields: object): Promise<number> => {
      const ids = (await messagesOf({ maxNewTokens: 80, ...fields })).flatMap(({ tokenIds }) => tokenIds);
      return ids.length - new Set(ids).size;
    };
    const plain = await repeats({});
    expect(await repeats({ frequencyPenalty: 2 })).toBeLessThan(plain);
    expect(await repeats({ presencePenalty: 2 })).toBeLessThan(plain);
    expect(await repeats({ repetitionPenalty: 1.8 })).toBeLessThan(plain);
  });

  it('ends with a stop token, not before the least number of tokens, and names the stop text', async () => {
    const comma = await idOf('a.');
    const short = await messagesOf({ stopTokenIds: [comma], maxNewTokens: 100 });
    expect(short.at(-1)).toMatchObject({ finishReason: 'FINISH_REASON_END', text: '' });
    expect(short.flatMap(({ tokenIds }) => tokenIds).at(-1)).toBe(comma);
    const { generatedTokens = 0 } = short.at(-1)?.usage ?? {};
    const long = await messagesOf({ stopTokenIds: [comma], minNewTokens: generatedTokens + 1, maxNewTokens: 100 });
    expect(long.at(-1)?.usage?.generatedTokens).toBeGreaterThan(generatedTokens);
    const stopped = await messagesOf({ stop: ['zebra', 'named'] });
    expect(stopped.at(-1)).toMatchObject({ finishReason: 'FINISH_REASON_STOP', stop: 'named' });
    expect(stopped.map(({ text }) => text).join('')).toBe(' girl ');
  });

  it('sends log probabilities of the prompt first, then of each token, with the likeliest ones', async () => {
    const [first, ...rest] = await messagesOf({ logprobs: 2, promptLogprobs: 1 });
    expect(first?.promptLogprobs[0]).not.toHaveProperty('logprob');
    expect(first?.promptLogprobs.slice(1).every(({ logprob = 1, top }) => logprob <= 0 && top.length === 1)).toBe(true);
    const tokens = rest.filter(({ tokenIds }) => tokenIds.length > 0);
    expect(tokens).toHaveLength(12);
    for (const { tokenIds, logprobs, text } of tokens) {
      expect(logprobs).toMatchObject([{ id: tokenIds[0], text: text.trim() }]);
      // Greedy: the token is the likeliest one.
      expect(logprobs[0]?.top).toHaveLength(2);
      expect(logprobs[0]?.top[0]).toMatchObject({ id: tokenIds[0], logprob: logprobs[0]?.logprob });
    }
  });

  it('sends n continuations under their indices, and the best of more', async () => {
    const drawn = { temperature: 1, minP: 0.05, seed: 3 };
    const textsOf = async (fields: object): Promise<string[]> => {
      const texts: string[] = [];
      for (const { index, text } of await messagesOf({ ...drawn, ...fields })) texts[index] = (texts[index] ?? '') + text;
      return texts;
    };
    const three = await textsOf({ n: 3 });
    expect(new Set(three).size).toBe(3);
    expect(await textsOf({ seed: 4 })).toEqual([three[1]]);
    const [best, ...others] = await textsOf({ n: 1, bestOf: 3 });
    expect(others).toEqual([]);
    expect(three).toContain(best);
    const ended = (await messagesOf({ ...drawn, n: 2 })).filter(({ finishReason }) => finishReason !== 'FINISH_REASON_UNSPECIFIED');
    expect(ended.map(({ index }) => index).sort()).toEqual([0, 1]);
  });

  it('says with a draft model what it says alone, and counts what the draft proposed', async () => {
    const recipeYaml = 'steps: [{ quantize: { bits: 8 } }]';
    for await (const { event } of client.serverStream(client.protocol.compression.Compress, {
      spec: { model: 'stories', name: 'small', recipeYaml },
    }))
      expect(event?.error ?? undefined).toBeUndefined();
    const alone = await messagesOf({ maxNewTokens: 40 });
    const drafted = await messagesOf({ maxNewTokens: 40, draftModel: 'small', draftTokens: 3 });
    expect(drafted.flatMap(({ tokenIds }) => tokenIds)).toEqual(alone.flatMap(({ tokenIds }) => tokenIds));
    const { draftedTokens = 0, acceptedTokens = 0 } = drafted.at(-1)?.usage ?? {};
    expect(draftedTokens).toBeGreaterThan(0);
    expect(acceptedTokens).toBeGreaterThan(draftedTokens / 2);
    expect(await textOf({ draftModel: 'small', temperature: 0.9, n: 2 })).not.toBe('');
  });

  it('names a draft model that does not fit, or is not there', async () => {
    const path = fileURLToPath(new URL('../fixtures/models/wiki-gpt2-7m', import.meta.url));
    await client.unary(client.protocol.model.Import, { name: 'wiki', path });
    await expect(messagesOf({ draftModel: 'wiki' })).rejects.toMatchObject({
      code: 'tokenizer_mismatch',
      details: { field: 'draftModel' },
    });
    await expect(messagesOf({ draftModel: 'stories' })).rejects.toMatchObject({
      code: 'invalid_argument',
      details: { field: 'draftModel' },
    });
    await expect(messagesOf({ draftModel: 'nobody' })).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it.each([
    ['frequencyPenalty', { frequencyPenalty: 2.5 }],
    ['presencePenalty', { presencePenalty: Number.NaN }],
    ['logitBias', { logitBias: { 3: 1000 } }],
    ['logitBias', { logitBias: { 99999: 1 } }],
    ['stopTokenIds', { stopTokenIds: [99999] }],
    ['minNewTokens', { minNewTokens: 13 }],
    ['bestOf', { n: 2, bestOf: 1 }],
    ['logprobs', { logprobs: 21 }],
    ['promptLogprobs', { promptLogprobs: 21 }],
  ])('names a bad %s', async (field, fields) => {
    await expect(messagesOf(fields)).rejects.toMatchObject({ code: 'invalid_argument', details: { field } });
  });
});

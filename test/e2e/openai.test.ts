// The official openai package against the server: completions, chat, models, embeddings, errors and leaving.
import { execFile } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { AthanorClient } from '#server';
import { outsideClients } from '#test/harness-environment';
import { miniLmFolder } from '#test/minilm';
import { repositoryRoot } from '#test/shared';
import { temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';

const fixture = join(repositoryRoot, 'test/fixtures/models/wiki-gpt2-7m');
const chatTemplate = [
  '{% for m in messages %}',
  "{% if m.role not in ['system', 'user', 'assistant'] %}{{ raise_exception('unknown role ' + m.role) }}{% endif %}",
  "{{ m.role + ': ' + m.content + '\\n' }}",
  "{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}",
].join('');

interface Choice {
  readonly index: number;
  readonly text: string;
  readonly finish_reason: string;
  readonly logprobs: {
    readonly tokens: readonly string[];
    readonly token_logprobs: readonly (number | null)[];
    readonly top_logprobs: readonly (Readonly<Record<string, number>> | null)[];
    readonly text_offset: readonly number[];
  };
}

describe('the openai package', () => {
  const folder = temporaryFolderForSuite();
  let running: RunningServer | undefined;
  let missing = '';
  let embeddingModel = '-';
  let seen: Record<string, unknown> = {};

  beforeAll(async () => {
    const environment = await outsideClients();
    if ('missing' in environment) {
      missing = environment.missing;
      return;
    }
    running = await startServer({ store: join(folder, 'store'), address: '127.0.0.1:0', httpAddress: '127.0.0.1:0', checkResults: false });
    const client = new AthanorClient(`127.0.0.1:${running.server.port}`);
    const load = (name: string, path: string): Promise<unknown> => client.unary(client.protocol.model.Import, { name, path });
    await load('wiki', fixture);
    const talking = join(folder, 'talking');
    cpSync(fixture, talking, { recursive: true });
    const config = JSON.parse(readFileSync(join(talking, 'tokenizer_config.json'), 'utf8')) as object;
    writeFileSync(join(talking, 'tokenizer_config.json'), JSON.stringify({ ...config, chat_template: chatTemplate }));
    await load('talking', talking);
    const miniLm = await miniLmFolder();
    if ('folder' in miniLm) {
      embeddingModel = 'minilm';
      await load(embeddingModel, miniLm.folder);
    }
    client.close();
    const script = join(import.meta.dirname, 'openai_scenarios.py');
    const url = `http://127.0.0.1:${running.http?.port}`;
    const { stdout } = await promisify(execFile)(environment.python, [script, url, 'talking', embeddingModel], { maxBuffer: 2 ** 24 });
    seen = JSON.parse(stdout) as Record<string, unknown>;
  });

  afterAll(() => running?.stop({ graceMs: 100 }));

  /** What the package saw; skips the test where it could not run. */
  function scenario<Seen>(context: TestContext, name: string): Seen {
    if (running === undefined) context.skip(missing);
    return seen[name] as Seen;
  }

  it('completes a prompt, at once and as a stream, with the same text and usage', (context) => {
    const whole = scenario<{ text: string; reason: string; usage: object; id: string }>(context, 'completion');
    expect(whole).toMatchObject({ reason: 'length', usage: { prompt_tokens: 3, completion_tokens: 6, total_tokens: 9 } });
    expect(whole.id).toMatch(/^cmpl-/);
    const stream = scenario<{ text: string; reasons: (string | null)[]; usage: object; ids: number }>(context, 'stream');
    expect(stream).toMatchObject({ text: whole.text, usage: { prompt_tokens: 3, completion_tokens: 6, total_tokens: 9 }, ids: 1 });
    expect(stream.reasons.at(-1)).toBe('length');
    expect(stream.reasons.slice(0, -1)).toEqual(stream.reasons.slice(0, -1).fill(null));
  });

  it('gets log probabilities of the prompts and of one token each, for prompts of different lengths', (context) => {
    const choices = scenario<Choice[]>(context, 'logprobs_and_echo');
    expect(choices.map(({ index }) => index)).toEqual([0, 1]);
    for (const [index, length] of [2, 4].entries()) {
      const { text, logprobs } = choices[index] as Choice;
      const { tokens, token_logprobs, top_logprobs, text_offset } = logprobs;
      for (const list of [tokens, token_logprobs, top_logprobs, text_offset]) expect(list).toHaveLength(length + 1);
      expect(tokens.join('')).toBe(text);
      expect([token_logprobs[0], top_logprobs[0]]).toEqual([null, null]);
      for (let place = 1; place <= length; place++) {
        // Equal to the last bit: readers compare the two.
        expect(top_logprobs[place]?.[tokens[place] ?? '']).toBe(token_logprobs[place]);
        expect(Math.max(...Object.values(top_logprobs[place] ?? {}))).toBeGreaterThanOrEqual(token_logprobs[place] ?? 0);
        expect(text.slice(text_offset[place])).toMatch(new RegExp(`^${(tokens[place] ?? '').replace(/[^\w ]/g, '\\$&')}`));
      }
      expect(Math.max(...Object.values(top_logprobs[length] ?? {}))).toBe(token_logprobs[length]);
    }
  });

  it('gets several continuations of several prompts, told apart by their index', (context) => {
    const choices = scenario<[number, string, string][]>(context, 'several');
    expect(choices.map(([index]) => index)).toEqual([0, 1, 2, 3]);
    expect(choices.every(([, text, reason]) => !text.includes('\n') && ['stop', 'length'].includes(reason))).toBe(true);
  });

  it('draws the same with a seed and otherwise without one, and follows a bias', (context) => {
    expect(scenario(context, 'seeds')).toMatchObject({ same: true, free: expect.toSatisfy((count: number) => count > 1) as number });
    expect(scenario(context, 'biased')).toBe(' of of of of');
  });

  it('talks by the chat template of the model', (context) => {
    const chat = scenario<{ text: string; streamed: string; top: number[]; joined: string; prompt_tokens: number }>(context, 'chat');
    expect(chat).toMatchObject({
      role: 'assistant',
      first_delta: 'assistant',
      reason: 'length',
      tokens: 5,
      streamed: chat.text,
      joined: chat.text,
    });
    expect(chat.top).toEqual([2, 2, 2, 2, 2]);
    expect(chat.prompt_tokens).toBeGreaterThan(10);
  });

  it('lists and finds models', (context) => {
    const { list, one } = scenario<{ list: string[]; one: string }>(context, 'models');
    expect(list).toEqual(expect.arrayContaining(['talking', 'wiki']));
    expect(one).toBe('wiki');
  });

  it('embeds texts, packed and as numbers', (context) => {
    const vectors = scenario<{ width: number; near: number; far: number; norm: number; same: number; tokens: number } | null>(
      context,
      'embeddings',
    );
    if (vectors === null || vectors === undefined) return context.skip('MiniLM cannot be downloaded');
    expect(vectors.width).toBe(384);
    expect(vectors.norm).toBeCloseTo(1, 5);
    expect(vectors.near).toBeGreaterThan(vectors.far + 0.2);
    expect(vectors.same).toBeLessThan(1e-6);
    expect(vectors.tokens).toBeGreaterThan(15);
  });

  it.for([
    ['model', 'NotFoundError', 404, 'model_not_found', 'model'],
    ['temperature', 'BadRequestError', 400, 'invalid_argument', 'temperature'],
    ['long', 'BadRequestError', 400, 'context_too_long', null],
    ['token', 'BadRequestError', 400, 'invalid_argument', 'prompt'],
    ['template', 'BadRequestError', 400, 'no_chat_template', 'messages'],
    ['refused', 'BadRequestError', 400, 'invalid_argument', 'messages'],
    ['tools', 'BadRequestError', 400, 'invalid_argument', 'tools'],
    ['embed', 'BadRequestError', 400, 'wrong_task', 'model'],
    ['stream', 'NotFoundError', 404, 'model_not_found', 'model'],
  ] as const)('raises the exception of a bad request: %s', ([name, kind, status, code, param], context) => {
    const errors = scenario<Record<string, unknown>>(context, 'errors');
    expect(errors[name]).toMatchObject({ class: kind, status, code, param });
  });

  it('leaves a stream and frees its place', (context) => {
    const { first, after } = scenario<{ first: boolean; after: { reason: string } }>(context, 'cancellation');
    expect(first).toBe(true);
    expect(after.reason).toBe('length');
    expect(running?.http?.openRequests).toBe(0);
  });
});

// Encoder-decoders as they are served: the tokens of transformers, streamed or from a beam search, several drawn targets, and what is refused.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { type GenerationEvent, type GenerationRequest, generateSequences, LoadedSequences } from '#serve';
import { loadTokenizer } from '#text';
import { type PairCase, pairCase, pairCaseNames, pairModel } from './pairs.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterAll(() => engine.dispose());

/** Token i is the text `<i>`. */
const tokenizer = (count: number) =>
  loadTokenizer({
    tokenizerJson: {
      model: { type: 'BPE', vocab: Object.fromEntries(Array.from({ length: count }, (_, id) => [`<${id}>`, id])), merges: [] },
      decoder: { type: 'Fuse' },
    },
  });

async function load(golden: PairCase, slots?: number): Promise<{ loaded: LoadedSequences; sources: readonly number[][]; end: number }> {
  const model = await pairModel(golden);
  const size = Math.min(
    model.config.vocabularySize,
    ...('sourceVocabularySize' in model.config ? [model.config.sourceVocabularySize ?? Infinity] : []),
  );
  const loaded = await LoadedSequences.load(engine, model, { tokenizer: tokenizer(size), ...(slots === undefined ? {} : { slots }) });
  const sources = golden.source.map((row, index) => row.filter((_, position) => golden.sourceMask[index]![position] === 1));
  return { loaded, sources, end: model.config.endTokens[0]! };
}

const quiet = new AbortController().signal;

interface Target {
  readonly tokens: number[];
  text: string;
  finished?: Extract<GenerationEvent, { kind: 'finished' }>;
}

async function collect(loaded: LoadedSequences, request: GenerationRequest, signal = quiet): Promise<Target[]> {
  const targets: Target[] = [];
  for await (const event of loaded.generate(request, signal)) {
    if (event.kind === 'prompt') throw new Error('no prompt is read');
    targets[event.index] ??= { tokens: [], text: '' };
    const target = targets[event.index]!;
    target.text += event.text;
    if (event.kind === 'token') target.tokens.push(event.token.id);
    else target.finished = event;
  }
  return targets;
}

function withoutPadding(sequence: readonly number[], end: number): number[] {
  const last = sequence.indexOf(end, 1);
  return sequence.slice(1, last < 0 ? undefined : last + 1);
}

describe('served encoder-decoders', () => {
  it.each(pairCaseNames)('%s: greedy targets are those of transformers, token by token', async (name) => {
    const golden = pairCase(name);
    const { loaded, sources, end } = await load(golden);
    const answers = await Promise.all(sources.map((prompt) => collect(loaded, { prompt, maxNewTokens: 11 })));
    expect(answers.map(([target]) => target!.tokens)).toEqual(golden.greedy.map((row) => withoutPadding(row, end)));
    for (const [index, [target]] of answers.entries()) {
      const { reason, usage } = target!.finished!;
      expect(reason).toBe(target!.tokens.at(-1) === end ? 'end' : 'length');
      expect(usage).toMatchObject({ promptTokens: sources[index]!.length, generatedTokens: target!.tokens.length });
    }
    await loaded.unload();
  });

  it.each(pairCaseNames)('%s: a beam search has the best targets of transformers', async (name) => {
    const golden = pairCase(name);
    const { loaded, sources, end } = await load(golden);
    const found = golden.searches.find(({ settings }) => settings.early_stopping === false && settings.no_repeat_ngram_size === undefined);
    const { settings, sequences } = found!;
    const { num_beams: numBeams, max_length: maxLength, length_penalty: lengthPenalty } = settings;
    const request = { numBeams, lengthPenalty, maxNewTokens: maxLength - 1, n: 2 };
    for (const [index, prompt] of sources.entries()) {
      const answers = await collect(loaded, { ...request, prompt });
      const wanted = sequences.slice(index * numBeams, index * numBeams + 2);
      expect(answers.map(({ tokens }) => tokens)).toEqual(wanted.map((row) => withoutPadding(row, end)));
    }
    await loaded.unload();
  });

  it('keeps to what the checkpoint says of its targets', async () => {
    const golden = pairCase('t5');
    const model = await pairModel(golden);
    const defaults = { firstToken: 7, lastToken: 3, noRepeatNgram: 2 };
    const loaded = await LoadedSequences.load(engine, model, { tokenizer: tokenizer(model.config.vocabularySize), defaults });
    const source = golden.source[0]!.filter((_, position) => golden.sourceMask[0]![position] === 1);
    for (const numBeams of [1, 3]) {
      const [[wanted] = []] = await generateSequences(engine, model, [source], { ...defaults, maxTokens: 9, beams: numBeams });
      const [target] = await collect(loaded, { prompt: source, maxNewTokens: 9, numBeams });
      expect(target!.tokens).toEqual(wanted!.tokens);
      expect([target!.tokens[0], target!.tokens[8] ?? 3]).toEqual([7, 3]);
    }
    await loaded.unload();
  });

  it('draws several targets with seeds of their own, and answers the likeliest of more', async () => {
    const { loaded, sources } = await load(pairCase('t5'));
    const request = { prompt: sources[0]!, maxNewTokens: 6, ignoreEnd: true, sampling: { temperature: 2, seed: 4 } };
    const four = await collect(loaded, { ...request, n: 4, logprobs: 0 });
    expect(four.map(({ tokens }) => tokens.length)).toEqual([6, 6, 6, 6]);
    expect(new Set(four.map(({ tokens }) => tokens.join())).size).toBeGreaterThan(1);
    const third = await collect(loaded, { ...request, sampling: { temperature: 2, seed: 6 } });
    expect(four[2]!.tokens).toEqual(third[0]!.tokens);
    const [best] = await collect(loaded, { ...request, bestOf: 4 });
    expect(four.map(({ tokens }) => tokens)).toContainEqual(best!.tokens);
    await loaded.unload();
  });

  it('ends at stop texts and stop tokens, and not before its smallest length', async () => {
    const { loaded, sources, end } = await load(pairCase('t5'));
    const prompt = sources[0]!;
    const [plain] = await collect(loaded, { prompt, maxNewTokens: 8, ignoreEnd: true });
    const second = plain!.tokens.find((token) => token !== plain!.tokens[0])!;
    const place = plain!.tokens.indexOf(second);
    for (const numBeams of [1, 2]) {
      const base = { prompt, maxNewTokens: 8, numBeams };
      const [long] = await collect(loaded, { ...base, minNewTokens: 8 });
      expect(long!.tokens).toHaveLength(8);
      expect(long!.tokens.slice(0, -1)).not.toContain(end);
    }
    const [stopped] = await collect(loaded, { prompt, maxNewTokens: 8, ignoreEnd: true, stop: [`<${second}>`] });
    expect(stopped!.finished).toMatchObject({ reason: 'stop', stop: `<${second}>` });
    expect(stopped!.text).toBe(
      plain!.tokens
        .slice(0, place)
        .map((token) => `<${token}>`)
        .join(''),
    );
    const [ended] = await collect(loaded, { prompt, maxNewTokens: 8, ignoreEnd: true, stopTokenIds: [second] });
    expect(ended!.tokens).toEqual(plain!.tokens.slice(0, place + 1));
    await loaded.unload();
  });

  it('lets requests wait for a place, gives it up when they are cancelled, and ends all when it is unloaded', async () => {
    const { loaded, sources } = await load(pairCase('t5'), 1);
    const request: GenerationRequest = { prompt: sources[0]!, maxNewTokens: 8, ignoreEnd: true };
    const stop = new AbortController();
    const first = loaded.generate(request, stop.signal);
    const gone = loaded.generate(request, quiet);
    const second = collect(loaded, request);
    const late = collect(loaded, { ...request, queueTimeoutMs: 0 });
    await expect(late).rejects.toMatchObject({ code: 'overloaded' });
    await gone.return?.();
    await first.next();
    stop.abort();
    const rest: GenerationEvent[] = [];
    for await (const event of first) rest.push(event);
    expect(rest.at(-1)).toMatchObject({ kind: 'finished', reason: 'cancelled' });
    expect((await second)[0]!.tokens).toHaveLength(8);
    expect(loaded.gauges).toEqual({ active: 0, waiting: 0 });
    const open = collect(loaded, request);
    open.catch(() => {});
    await loaded.unload();
    await expect(open).rejects.toMatchObject({ code: 'unavailable' });
    expect(() => loaded.generate(request, quiet)).toThrow(/unavailable/);
  });

  it.each<[string, Partial<GenerationRequest>, string]>([
    ['an empty source', { prompt: [] }, 'invalid_argument'],
    ['a source with an unknown token', { prompt: [3, 9999] }, 'invalid_argument'],
    ['a source that is too long', { prompt: new Array<number>(1000).fill(3) }, 'context_too_long'],
    ['no beams', { numBeams: 0 }, 'invalid_argument'],
    ['a drawn beam search', { numBeams: 2, sampling: { temperature: 1 } }, 'invalid_argument'],
    ['log probabilities of a beam search', { numBeams: 2, logprobs: 1 }, 'invalid_argument'],
    ['more targets than beams', { numBeams: 2, n: 3 }, 'invalid_argument'],
    ['log probabilities of the source', { promptLogprobs: 1 }, 'unsupported'],
    ['a draft model', { draftModel: 'small' }, 'unsupported'],
  ])('refuse %s', async (_, changes, code) => {
    const { loaded } = await load(pairCase('bart'));
    expect(() => loaded.generate({ prompt: [3, 4], ...changes }, quiet)).toThrow(new RegExp(`^\\[${code}\\]`));
    await loaded.unload();
  });

  it('hold nothing afterwards', () => {
    expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  });
});

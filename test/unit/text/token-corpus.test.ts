// Tokenizing data sets: same ids as the whole, separators, fingerprint, cancellation.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Progress, quietContext } from '#base';
import { type FixtureModel, fixtureTokenizer } from '#test/fixture-tokenizers';
import { repositoryRoot } from '#test/shared';
import { loadTokenizer, textFromStrings, tokenizeCorpus } from '#text';

const names: readonly FixtureModel[] = ['wiki-gpt2-7m', 'stories260K'];
const realText = readFileSync(join(repositoryRoot, 'test/fixtures/text/evaluate.txt'), 'utf8').slice(0, 60_000);

/** The split of Llama 3 and GPT-4 over the bytes of the GPT-2 fixture: punctuation keeps the line breaks after it. */
function llama3Like() {
  const json = JSON.parse(readFileSync(join(repositoryRoot, 'test/fixtures/models/wiki-gpt2-7m/tokenizer.json'), 'utf8')) as object;
  const regex =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  const pretokenizers = [
    { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false },
    { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
  ];
  return loadTokenizer({ tokenizerJson: { ...json, pre_tokenizer: { type: 'Sequence', pretokenizers } } });
}

describe.each([...names, 'llama 3 like'] as const)('chunks with %s', (name) => {
  const tokenizer = name === 'llama 3 like' ? llama3Like() : fixtureTokenizer(name);

  it('give the ids of the whole text', async () => {
    const whole = tokenizer.encode(realText, { addSpecialTokens: false });
    const corpus = await tokenizeCorpus(textFromStrings([realText]), tokenizer, quietContext, { chunkCharacters: 500 });
    expect(corpus.tokens).toEqual(whole);
    expect(corpus.bytes).toBe(Buffer.byteLength(realText));
  });

  it('give them for awkward spacing too', async () => {
    const part = fc.constantFrom(
      ' ',
      '\n',
      '\n\n',
      '   ',
      '\t',
      '\r\n',
      'word',
      '.',
      '..',
      ',',
      '12',
      "it's",
      'é',
      '🙂',
      '\u00a0',
      '<|endoftext|>',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 100, maxLength: 200 }), async (parts) => {
        const text = parts.join('');
        const corpus = await tokenizeCorpus(textFromStrings([text]), tokenizer, quietContext, { chunkCharacters: 40 });
        expect([...corpus.tokens]).toEqual([...tokenizer.encode(text, { addSpecialTokens: false })]);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a corpus', () => {
  const tokenizer = fixtureTokenizer('wiki-gpt2-7m');

  it('has one separator between neighbouring documents and counts the bytes of the text', async () => {
    const corpus = await tokenizeCorpus(textFromStrings(['Hello', 'é', 'Hello']), tokenizer, quietContext);
    const hello = [...tokenizer.encode('Hello', { addSpecialTokens: false })];
    const accent = [...tokenizer.encode('é', { addSpecialTokens: false })];
    expect([...corpus.tokens]).toEqual([...hello, 0, ...accent, 0, ...hello]);
    expect([...corpus.documentStarts]).toEqual([0, hello.length + 1, hello.length + accent.length + 2]);
    expect(corpus.bytes).toBe(12);
    expect(corpus.tokenizerHash).toBe(tokenizer.hash);
  });

  it('has a fingerprint of its text alone', async () => {
    const fingerprint = async (documents: readonly string[]): Promise<string> =>
      (await tokenizeCorpus(textFromStrings(documents), tokenizer, quietContext)).fingerprint;
    expect(await fingerprint(['a b', 'c'])).toBe(await fingerprint(['a b', 'c']));
    expect(await fingerprint(['a b', 'c'])).not.toBe(await fingerprint(['a b c']));
    expect(await fingerprint(['a ', 'bc'])).not.toBe(await fingerprint(['a b', 'c']));
  });

  it('reports bytes and tokens', async () => {
    const reports: Progress[] = [];
    const context = { report: (progress: Progress) => reports.push(progress), signal: quietContext.signal };
    const corpus = await tokenizeCorpus(textFromStrings([realText]), tokenizer, context, { chunkCharacters: 500 });
    expect(reports.length).toBeGreaterThan(3);
    expect(reports.at(-1)).toEqual({ phase: 'tokenize', step: corpus.bytes, metrics: { tokens: corpus.tokens.length } });
  });

  it('stops between chunks', async () => {
    const controller = new AbortController();
    const context = { report: () => controller.abort(), signal: controller.signal };
    await expect(tokenizeCorpus(textFromStrings([realText]), tokenizer, context, { chunkCharacters: 200 })).rejects.toThrow(/cancelled/);
  });

  it('reports and stops on many short documents too', async () => {
    const reports: Progress[] = [];
    const controller = new AbortController();
    const documents = textFromStrings(Array.from({ length: 2000 }, (_, index) => `document ${index}`));
    const report = (progress: Progress): number => reports.push(progress);
    await tokenizeCorpus(documents, tokenizer, { report, signal: controller.signal }, { chunkCharacters: 500 });
    expect(reports.length).toBeGreaterThan(3);
    const stopping = { report: () => controller.abort(), signal: controller.signal };
    await expect(tokenizeCorpus(documents, tokenizer, stopping, { chunkCharacters: 500 })).rejects.toThrow(/cancelled/);
  });

  it('needs an end token only between documents', async () => {
    const tokenizerJson = { model: { type: 'BPE', vocab: { a: 0 }, merges: [] } };
    const plain = loadTokenizer({ tokenizerJson });
    expect([...(await tokenizeCorpus(textFromStrings(['aa']), plain, quietContext)).tokens]).toEqual([0, 0]);
    await expect(tokenizeCorpus(textFromStrings(['a', 'a']), plain, quietContext)).rejects.toThrow(/bad_tokenizer.*no end token/);
    await expect(tokenizeCorpus(textFromStrings(['zz']), plain, quietContext)).rejects.toThrow(/empty_data.*no tokens/);
  });
});

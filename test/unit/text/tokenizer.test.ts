// The tokenizer against the native library, and bad files.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer as PackageTokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '#base';
import { type FixtureModel, fixtureTokenizer, fixtureTokenizerJson } from '#test/fixture-tokenizers';
import { loadTokenizer, tokenizerFromFiles } from '#text';

interface GoldenCase {
  readonly text: string;
  readonly ids: readonly number[];
  readonly withSpecial: readonly number[];
  readonly decoded: string;
}

const golden = JSON.parse(readFileSync(join(import.meta.dirname, 'tokenizer-golden.json'), 'utf8')) as Record<FixtureModel, GoldenCase[]>;
const names: readonly FixtureModel[] = ['wiki-gpt2-7m', 'stories260K'];

describe.each(names)('tokenizer of %s', (name) => {
  const tokenizer = fixtureTokenizer(name);

  it('gives the ids and texts of the native library', () => {
    for (const { text, ids, withSpecial, decoded } of golden[name]) {
      expect([...tokenizer.encode(text, { addSpecialTokens: false })], text).toEqual(ids);
      expect([...tokenizer.encode(text, { addSpecialTokens: true })], text).toEqual(withSpecial);
      expect(tokenizer.decode(ids, { skipSpecialTokens: true }), text).toBe(decoded);
    }
  });

  it('decodes any ids as the package does', () => {
    const reference = new PackageTokenizer(JSON.parse(fixtureTokenizerJson(name)), {});
    // The package drops byte order marks in ByteFallback; the native library and we keep them.
    const ids = fc.array(fc.integer({ min: 0, max: tokenizer.vocabularySize - 1 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(ids, fc.boolean(), (list, skip) => {
        const expected: string = reference.decode(list, { skip_special_tokens: skip, clean_up_tokenization_spaces: false });
        expect(tokenizer.decode(list, { skipSpecialTokens: skip }).replaceAll('\uFEFF', '')).toBe(expected.replaceAll('\uFEFF', ''));
      }),
      { numRuns: 300 },
    );
  });

  it('decodes its own encoding of any text back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        fc.pre(Buffer.from(text).toString() === text); // no lone surrogates
        const ids = tokenizer.encode(text, { addSpecialTokens: false });
        expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(text);
      }),
    );
  });

  it('decodes nothing, and ids without a token, to the empty text', () => {
    expect(tokenizer.decode([], { skipSpecialTokens: false })).toBe('');
    expect(tokenizer.decode([tokenizer.vocabularySize + 5, -1], { skipSpecialTokens: false })).toBe('');
  });

  it('keeps spaces before punctuation', () => {
    const ids = tokenizer.encode("do n't , he said .", { addSpecialTokens: false });
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe("do n't , he said .");
  });
});

describe('special tokens', () => {
  it('finds begin and end tokens in tokenizer_config.json', () => {
    const wiki = fixtureTokenizer('wiki-gpt2-7m');
    expect([wiki.vocabularySize, wiki.beginToken, wiki.endTokens]).toEqual([8192, 0, [0]]);
    const stories = fixtureTokenizer('stories260K');
    expect([stories.vocabularySize, stories.beginToken, stories.endTokens]).toEqual([512, 1, [2]]);
  });

  it('skips special tokens only on request', () => {
    const tokenizer = fixtureTokenizer('stories260K');
    const ids = tokenizer.encode('Once', { addSpecialTokens: true });
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe('Once');
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe('<s> Once');
  });

  it('reads the default chat template of a list', () => {
    const tokenizerConfig = {
      chat_template: [
        { name: 'tool', template: 'T' },
        { name: 'default', template: 'D' },
      ],
    };
    expect(loadTokenizer({ tokenizerJson: tiny(), tokenizerConfig }).chatTemplate).toBe('D');
    expect(loadTokenizer({ tokenizerJson: tiny(), tokenizerConfig: { chat_template: 'C' } }).chatTemplate).toBe('C');
    expect(loadTokenizer({ tokenizerJson: tiny() }).chatTemplate).toBeUndefined();
  });
});

describe('hash', () => {
  it('ignores key order, defaults and the spelling of merges', () => {
    const json = tiny();
    const other = {
      model: { merges: [['a', 'b']], vocab: { ab: 2, b: 1, a: 0 }, type: 'BPE', dropout: null, fuse_unk: false },
      decoder: null,
    };
    expect(loadTokenizer({ tokenizerJson: JSON.stringify(other) }).hash).toBe(loadTokenizer({ tokenizerJson: json }).hash);
  });

  it('changes with a vocabulary entry, a merge, an added token and the pre-tokenizer', () => {
    const base = tiny();
    const variants = [
      base,
      { ...base, model: { ...base.model, vocab: { ...base.model.vocab, c: 3 } } },
      { ...base, model: { ...base.model, merges: [] } },
      { ...base, added_tokens: [{ id: 3, content: '<x>', special: true }] },
      { ...base, pre_tokenizer: { type: 'WhitespaceSplit' } },
    ];
    expect(new Set(variants.map((tokenizerJson) => loadTokenizer({ tokenizerJson }).hash)).size).toBe(variants.length);
  });
});

describe('bad files', () => {
  const base = tiny();
  const withModel = (change: object): object => ({ ...base, model: { ...base.model, ...change } });
  const cases: readonly (readonly [string, string | object, RegExp])[] = [
    ['text that is not JSON', '{"model":', /tokenizer\.json: is not JSON/],
    ['a list', '[]', /must be a JSON object/],
    ['no model', {}, /tokenizer\.json: model: is missing/],
    ['no vocabulary', { model: { type: 'BPE', merges: [] } }, /model\.vocab: is missing/],
    ['an empty vocabulary', { model: { type: 'BPE', vocab: {}, merges: [] } }, /model\.vocab: is empty/],
    ['an id that is no number', withModel({ vocab: { a: 'x' } }), /model\.vocab\["a"\].*"x" is not a token id/],
    ['a negative id', withModel({ vocab: { a: -1 } }), /-1 is not a token id/],
    ['a giant id', withModel({ vocab: { a: 1e15 } }), /is not a token id/],
    ['two tokens with one id', withModel({ vocab: { a: 0, b: 0, ab: 1 } }), /"a" and "b" both have id 0/],
    ['a merge of unknown tokens', withModel({ merges: ['a z'] }), /merges\[0\]: "z" is not in the vocabulary/],
    ['a merge that is no pair', withModel({ merges: ['ab'] }), /merges\[0\].*must name two tokens/],
    ['an unknown unk_token', withModel({ unk_token: '<unk>' }), /unk_token.*not in the vocabulary/],
    ['an unknown kind of model', withModel({ type: 'Magic' }), /"Magic" is not supported; supported are BPE/],
    ['an added token with another id', { ...base, added_tokens: [{ id: 5, content: 'a' }] }, /"a" has id 5, but the vocabulary gives it 0/],
    ['an unsupported decoder', { ...base, decoder: { type: 'CTC' } }, /decoder: type "CTC" is not supported/],
    ['an unsupported pre-tokenizer', { ...base, pre_tokenizer: { type: 'Magic' } }, /cannot be used: .*Magic/],
  ];

  it.each(cases)('refuses %s', (_what, tokenizerJson, message) => {
    expect(() => loadTokenizer({ tokenizerJson })).toThrow(message);
    expect(codeOf(() => loadTokenizer({ tokenizerJson }))).toBe('bad_tokenizer');
  });

  it('refuses an end token that the vocabulary lacks', () => {
    expect(() => loadTokenizer({ tokenizerJson: base, tokenizerConfig: { eos_token: '</s>' } })).toThrow(/eos_token: "<\/s>" is not in/);
  });
});

describe('the files of a folder', () => {
  const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));

  it('are read by name, the configuration before the map of special tokens', () => {
    const tokenizer = tokenizerFromFiles(
      new Map([
        ['tokenizer.json', bytes(tiny())],
        ['tokenizer_config.json', bytes({ eos_token: 'b' })],
        ['special_tokens_map.json', bytes({ eos_token: 'a', bos_token: { content: 'ab' } })],
        ['chat_template.jinja', bytes('{{ messages }}')],
      ]),
    );
    expect([tokenizer.beginToken, tokenizer.endTokens, tokenizer.chatTemplate]).toEqual([2, [1], '{{ messages }}']);
  });

  it('must hold tokenizer.json in UTF-8', () => {
    expect(() => tokenizerFromFiles(new Map())).toThrow(/bad_tokenizer.*tokenizer\.json: is missing/);
    expect(() => tokenizerFromFiles(new Map([['tokenizer.json', Uint8Array.of(0xff)]]))).toThrow(/bad_tokenizer.*not UTF-8/);
  });
});

describe('other decoders', () => {
  const text = (decoder: object | null, vocab: readonly string[]): string => {
    const model = { type: 'BPE', vocab: Object.fromEntries(vocab.map((token, id) => [token, id])), merges: [] };
    const tokenizer = loadTokenizer({ tokenizerJson: { model, decoder } });
    return tokenizer.decode(
      vocab.map((_token, id) => id),
      { skipSpecialTokens: false },
    );
  };

  it('joins WordPiece continuations and words', () => {
    expect(text({ type: 'WordPiece', prefix: '##' }, ['em', '##bed', 'ding'])).toBe('embed ding');
  });

  it('cuts the space of the first Metaspace token only', () => {
    expect(text({ type: 'Metaspace', replacement: '▁' }, ['▁a', '▁b'])).toBe('a b');
    expect(text({ type: 'Metaspace', replacement: '▁', prepend_scheme: 'never' }, ['▁a', '▁b'])).toBe(' a b');
  });

  it('puts spaces between tokens without a decoder', () => {
    expect(text(null, ['a', 'b'])).toBe('a b');
  });
});

function tiny() {
  return { model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] } };
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof AppError) return error.code;
  }
  return 'none';
}

// Parts of tokenizer.json that run on every text: patterns of published tokenizers are taken, those that search without end are not.
import { describe, expect, it } from 'vitest';
import { checkSections, repeatsRepetition } from '../../../src/text/tokenizer-sections.ts';

const published = [
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
  ' {2,}',
  '(?:ab|cd)+',
  '(a+b)?',
  '\\(a+\\)+',
  '[(a+)+]',
];
const endless = ['(a+)+$', '(?:\\p{L}+)*!', '((a*))+', '(a|b+){2,}', '(?:x(?:y+)?)*', '(?<name>\\s+)+'];

describe('the patterns of a tokenizer', () => {
  it.each(published)('may be %s', (pattern) => {
    expect(repeatsRepetition(pattern)).toBe(false);
  });

  it.each(endless)('may not be %s', (pattern) => {
    expect(repeatsRepetition(pattern)).toBe(true);
    const json = { pre_tokenizer: { type: 'Split', pattern: { Regex: pattern } } };
    expect(() => checkSections(json, 'tokenizer.json')).toThrow(/pre_tokenizer\.pattern\.Regex: .* repeats a group that repeats/);
  });
});

describe('the replacements of a tokenizer', () => {
  const replace = (content: unknown) => ({ type: 'Replace', pattern: { String: 'a' }, content });

  it('may make a few characters of one', () => {
    const normalizers = [
      replace('  '),
      replace('▁'),
      { type: 'Prepend', prepend: '▁' },
      { type: 'Precompiled', precompiled_charsmap: 'A'.repeat(9000) },
    ];
    expect(() => checkSections({ normalizer: { type: 'Sequence', normalizers }, decoder: null }, 'tokenizer.json')).not.toThrow();
  });

  it.each([
    [
      'that multiply',
      { normalizer: [replace('a'.repeat(100)), replace('a'.repeat(100))] },
      /normalizer: its parts make up to 10000 characters of one/,
    ],
    [
      'that multiply spaces',
      { pre_tokenizer: Array.from({ length: 13 }, () => ({ type: 'Metaspace', replacement: '  ' })) },
      /pre_tokenizer: its parts make up to 8192 characters of one/,
    ],
    [
      'that put a text before each part',
      { pre_tokenizer: Array.from({ length: 12 }, () => ({ type: 'Prepend', prepend: '__' })) },
      /pre_tokenizer: its parts make up to 531441 characters of one/,
    ],
    [
      'that write bytes again and again',
      { pre_tokenizer: Array.from({ length: 8 }, () => ({ type: 'ByteLevel' })) },
      /pre_tokenizer: its parts make up to 6561 characters of one/,
    ],
    ['that are long', { decoder: replace('a'.repeat(3000)) }, /decoder\.content: has 3000 characters, at most 2000/],
    ['that are no text', { pre_tokenizer: { type: 'Metaspace', replacement: [1] } }, /pre_tokenizer\.replacement: must be a text/],
  ])('are refused %s', (_, json, message) => {
    expect(() => checkSections(json, 'tokenizer.json')).toThrow(message);
  });
});

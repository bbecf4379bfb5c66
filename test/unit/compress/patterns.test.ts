// Include and exclude patterns: what they select, and what they say when they select nothing.
import { describe, expect, it } from 'vitest';
import { matchesPattern, nearestNames, selectMatrices } from '#compress';
import { gpt2Config, llamaConfig, tinyModel } from './tiny-model.ts';

const model = tinyModel();
const paths = (patterns: Parameters<typeof selectMatrices>[1]): string[] => selectMatrices(model, patterns).map(({ path }) => path);

describe('matchesPattern', () => {
  it('matches whole paths, with * for any characters', () => {
    expect(matchesPattern('h.*.mlp.*', 'h.11.mlp.fc.weight')).toBe(true);
    expect(matchesPattern('h.1.*', 'h.11.mlp.fc.weight')).toBe(false);
    expect(matchesPattern('mlp', 'h.1.mlp.fc.weight')).toBe(false);
    expect(matchesPattern('h.(0|1).*', 'h.0.x')).toBe(false);
    expect(matchesPattern('*', 'anything.at.all')).toBe(true);
  });
});

describe('selectMatrices', () => {
  it('takes every linear matrix inside the blocks by default, and nothing else', () => {
    expect(paths({})).toEqual(
      [0, 1].flatMap((block) => ['attn.qkv', 'attn.out', 'mlp.fc', 'mlp.proj'].map((name) => `h.${block}.${name}.weight`)),
    );
    expect(selectMatrices(tinyModel({ ...llamaConfig }), {}).some(({ path }) => path.startsWith('head'))).toBe(false);
  });

  it('takes embeddings only by a pattern', () => {
    expect(paths({ include: ['embed.token.*'] })).toEqual(['embed.token.weight']);
    expect(selectMatrices(tinyModel({ ...gpt2Config, tiedHead: false }), { include: ['head*'] }).map(({ path }) => path)).toEqual([
      'head.weight',
    ]);
  });

  it('lets excludes win over includes, and keeps the order of the model', () => {
    expect(paths({ include: ['h.1.mlp.*', 'h.0.mlp.*'], exclude: ['*.proj.*'] })).toEqual(['h.0.mlp.fc.weight', 'h.1.mlp.fc.weight']);
  });

  it('names a pattern that matches no matrix, and what is near it', () => {
    for (const patterns of [{ include: ['h.*.mpl.fc.weight'] }, { exclude: ['h.*.mpl.fc.weight'] }])
      expect(() => paths(patterns)).toThrow(/\[pattern_matches_nothing\] pattern "h\.\*\.mpl\.fc\.weight" .* h\.0\.mlp\.fc\.weight/);
  });

  it('does not count gains and biases as matrices', () => {
    expect(() => paths({ include: ['*.bias'] })).toThrow(/pattern_matches_nothing/);
  });

  it('says when the excludes leave nothing', () => {
    expect(() => paths({ exclude: ['h.*'] })).toThrow(/leave no matrix/);
  });
});

describe('nearestNames', () => {
  it('orders names by edit distance', () => {
    expect(nearestNames('ratoi', ['energy', 'rank', 'ratio'])).toEqual(['ratio']);
    expect(nearestNames('ran', ['ratio', 'rank'], 2)).toEqual(['rank', 'ratio']);
  });
});

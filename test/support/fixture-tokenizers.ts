// The two real tokenizers of the fixture models.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadTokenizer, type Tokenizer } from '#text';
import { repositoryRoot } from './shared.ts';

export type FixtureModel = 'wiki-gpt2-7m' | 'stories260K';

/** Absolute path of a fixture model's folder. */
export function fixtureModelFolder(name: FixtureModel): string {
  return join(repositoryRoot, 'test/fixtures/models', name);
}

export function fixtureTokenizerJson(name: FixtureModel): string {
  return readFileSync(join(fixtureModelFolder(name), 'tokenizer.json'), 'utf8');
}

export function fixtureTokenizer(name: FixtureModel): Tokenizer {
  const tokenizerConfig = readFileSync(join(fixtureModelFolder(name), 'tokenizer_config.json'), 'utf8');
  return loadTokenizer({ tokenizerJson: fixtureTokenizerJson(name), tokenizerConfig });
}

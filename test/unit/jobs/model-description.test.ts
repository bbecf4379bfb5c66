// What a model says of itself, from its configuration and its tokenizer's files.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Gpt2Config } from '#models';
import { repositoryRoot } from '#test/shared';
import { loadTokenizer, type TokenizerFiles } from '#text';
import { describeModel } from '../../../src/jobs/model-description.ts';
import { tinyGpt2 } from '../models/tiny-models.ts';

const folder = join(repositoryRoot, 'test/fixtures/models/wiki-gpt2-7m');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
const config: Gpt2Config = { ...tinyGpt2, maxPositions: 4096 };

function tokenizerWith(settings: object): ReturnType<typeof loadTokenizer> {
  const files: TokenizerFiles = { tokenizerJson: read('tokenizer.json'), tokenizerConfig: settings };
  return loadTokenizer(files);
}

describe('the description of a model', () => {
  it('names the special tokens of the tokenizer, and leaves out those it has not', () => {
    const { tokens } = describeModel('m@1', config, tokenizerWith(JSON.parse(read('tokenizer_config.json')) as object));
    const end = { id: expect.any(Number) as number, text: '<|endoftext|>' };
    expect(tokens).toEqual({ begin: end, end });
  });

  it('takes a pad token that is written as an object, and passes over one that the vocabulary lacks', () => {
    const padded = tokenizerWith({ pad_token: { content: '<|endoftext|>' }, mask_token: '<nowhere>' });
    expect(describeModel('m@1', config, padded).tokens).toMatchObject({ pad: { text: '<|endoftext|>' } });
    expect(describeModel('m@1', config, padded).tokens).not.toHaveProperty('mask');
  });

  it('gives the chat template and the positions that prompt and answer share', () => {
    const { chatTemplate, contextTokens, task, width, reference } = describeModel(
      'm@1',
      config,
      tokenizerWith({ chat_template: '{{ x }}' }),
    );
    expect({ chatTemplate, contextTokens, task, width, reference }).toEqual({
      chatTemplate: '{{ x }}',
      contextTokens: 2048,
      task: 'causal',
      width: tinyGpt2.width,
      reference: 'm@1',
    });
  });

  it('lists the labels of a classifier', () => {
    const classifier: Gpt2Config = { ...config, task: { kind: 'classify', labels: ['no', 'yes'] } };
    expect(describeModel('c@2', classifier, tokenizerWith({}))).toMatchObject({ task: 'classify', labels: ['no', 'yes'] });
  });
});

// The fixture models against PyTorch: losses of text windows and log-likelihoods of continuations.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateModel, scoreContinuations } from '#evaluate';
import { importHuggingFace } from '#store';
import { type FixtureModel, fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';
import { repositoryRoot } from '#test/shared';
import { textFromStrings, tokenizeCorpus } from '#text';

interface Golden {
  readonly characters: number;
  readonly tokens: number;
  readonly windows: readonly { readonly window: number; readonly stride: number; readonly lossNats: number }[];
  readonly scores: readonly {
    readonly context: string;
    readonly continuation: string;
    readonly logLikelihood: number;
    readonly isGreedy: boolean;
    readonly tokens: number;
  }[];
}

const golden = JSON.parse(readFileSync(join(import.meta.dirname, 'evaluate-golden.json'), 'utf8')) as Record<FixtureModel, Golden>;
const engine = await createOnnxEngine({ device: 'cpu' });
afterAll(() => engine.dispose());

describe.each(['wiki-gpt2-7m', 'stories260K'] as const)('%s', async (name) => {
  const { model } = await importHuggingFace(fixtureModelFolder(name));
  const tokenizer = fixtureTokenizer(name);
  const expected = golden[name];
  const text = [...readFileSync(join(repositoryRoot, 'test/fixtures/text/evaluate.txt'), 'utf8')].slice(0, expected.characters).join('');

  it.each(expected.windows)('has the loss of PyTorch with window $window and stride $stride', async ({ window, stride, lossNats }) => {
    const corpus = await tokenizeCorpus(textFromStrings([text]), tokenizer, quietContext);
    expect(corpus.tokens.length).toBe(expected.tokens);
    const result = await evaluateModel(model, { corpus, window, stride }, engine, quietContext);
    expect(result.scoredTokens).toBe(expected.tokens);
    expect(result.bitsPerByte / (lossNats / Math.LN2 / Buffer.byteLength(text))).toBeCloseTo(1, 5);
    expect(result.tokenPerplexity / Math.exp(lossNats / expected.tokens)).toBeCloseTo(1, 4);
  });

  it('has the log-likelihoods of PyTorch', async () => {
    const results = await scoreContinuations(model, tokenizer, expected.scores, engine, quietContext);
    results.forEach((result, index) => {
      const { context, logLikelihood, isGreedy, tokens } = expected.scores[index]!;
      expect(result.logLikelihood / logLikelihood, context).toBeCloseTo(1, 4);
      expect([result.isGreedy, result.tokens], context).toEqual([isGreedy, tokens]);
    });
  });
});

// Structured pruning of a trained model on the default engine: what the importances and the refit do to real layers' outputs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { type MethodResult, methods, WindowCalibration } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { importHuggingFace } from '#store';
import { int64 } from '#tensor';
import { fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';
import { repositoryRoot } from '#test/shared';
import { textFromStrings, tokenizeCorpus } from '#text';

describe('wiki-gpt2-7m', async () => {
  const engine = await createOnnxEngine({ device: 'cpu' });
  afterAll(() => engine.dispose());
  const { model } = await importHuggingFace(fixtureModelFolder('wiki-gpt2-7m'));
  const text = readFileSync(join(repositoryRoot, 'test/fixtures/text/distill.txt'), 'utf8').slice(0, 20_000);
  const corpus = await tokenizeCorpus(textFromStrings([text]), fixtureTokenizer('wiki-gpt2-7m'), quietContext);
  const calibration = new WindowCalibration(engine, async function* () {
    for (let start = 0; start + 512 <= Math.min(corpus.tokens.length, 2048); start += 512)
      yield int64([4, 128], Array.from(corpus.tokens.slice(start, start + 512), Number));
  });

  async function pruned(settings: object): Promise<{ readonly result: MethodResult; readonly error: number; readonly without: number }> {
    const step = methods['prune']!.step({ include: ['h.1.*'], ratio: 0.5, ...settings }, 'prune');
    const result = await step.apply(model, { engine, calibration }, quietContext);
    const { outputError, note } = result.report.layers.find((layer) => layer.outputError !== undefined)!;
    return { result, error: outputError!, without: Number(/without the refit ([\d.]+)/.exec(note!)![1]) };
  }

  it.each(['heads', 'ffn'])(
    'loses least of the outputs of %s by what the refit loses, and less with the refit than without',
    async (structure) => {
      const [output, firstOrder, magnitude] = [
        await pruned({ structure, importance: 'output' }),
        await pruned({ structure, importance: 'firstOrder' }),
        await pruned({ structure, importance: 'magnitude', repair: true }),
      ];
      for (const { error, without } of [output, firstOrder, magnitude]) expect(error).toBeLessThan(0.95 * without);
      // Going one by one is not the best of all sets: of a few heads, norms may hit one that is a little better.
      expect(output.error).toBeLessThan((structure === 'heads' ? 1.1 : 0.9) * Math.min(firstOrder.error, magnitude.error));
    },
  );

  it('finds other units by gradients than by norms', async () => {
    const [firstOrder, magnitude] = [
      await pruned({ structure: 'ffn', importance: 'firstOrder' }),
      await pruned({ structure: 'ffn', importance: 'magnitude', repair: true }),
    ];
    const bias = ({ result }: typeof firstOrder): ArrayLike<number | bigint> =>
      result.model.parameters.get('h.1.mlp.fc.bias')!.tensors['value']!.data;
    expect(bias(firstOrder)).not.toEqual(bias(magnitude));
  });
});

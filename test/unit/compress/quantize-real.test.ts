// Quantization of a trained model on the default engine: what GPTQ and AWQ lose of real layers' outputs, against rounding.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { methods, WindowCalibration } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { type Model, materializeParameter } from '#models';
import { importHuggingFace } from '#store';
import { int64 } from '#tensor';
import { fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';
import { repositoryRoot } from '#test/shared';
import { textFromStrings, tokenizeCorpus } from '#text';
import { EngineMatrices } from '../../../src/compress/decomposition/engine-matrices.ts';
import { LayerInputs } from '../../../src/compress/decomposition/layer-inputs.ts';

describe('wiki-gpt2-7m', async () => {
  const engine = await createOnnxEngine({ device: 'cpu' });
  const matrices = new EngineMatrices(engine, quietContext.signal);
  afterAll(async () => {
    await matrices.release();
    await engine.dispose();
  });
  const { model } = await importHuggingFace(fixtureModelFolder('wiki-gpt2-7m'));
  const text = readFileSync(join(repositoryRoot, 'test/fixtures/text/distill.txt'), 'utf8').slice(0, 40_000);
  const corpus = await tokenizeCorpus(textFromStrings([text]), fixtureTokenizer('wiki-gpt2-7m'), quietContext);
  const calibration = new WindowCalibration(engine, async function* () {
    for (let start = 0; start + 1024 <= Math.min(corpus.tokens.length, 4096); start += 1024)
      yield int64([8, 128], Array.from(corpus.tokens.slice(start, start + 1024), Number));
  });
  /** Two matrices with 256 inputs, one of them after a norm. */
  const paths = ['h.1.attn.out.weight', 'h.1.mlp.fc.weight'];

  async function quantized(bits: number, method: string): Promise<Model> {
    const step = methods['quantize']!.step({ bits, method, include: paths }, 'quantize');
    return (await step.apply(model, { engine, calibration }, quietContext)).model;
  }

  /** ‖X·(W − W')‖ / ‖X·W‖ over the calibration text, by path. */
  async function outputErrors(after: Model): Promise<Map<string, number>> {
    const errors = new Map<string, number>();
    for await (const moments of calibration.inputMoments(model, paths, quietContext)) {
      const inputs = new LayerInputs(matrices, moments.gram, moments.width);
      for (const path of moments.paths) {
        const [before, made] = [materializeParameter(model, path).data, materializeParameter(after, path).data];
        const lost = await inputs.outputEnergy(Float64Array.from(before, (value, index) => value - made[index]!));
        errors.set(path, Math.sqrt(lost / (await inputs.outputEnergy(Float64Array.from(before)))));
      }
      inputs.release();
    }
    return errors;
  }

  it.each([4, 3, 2])('loses least of the outputs by GPTQ, then by AWQ, then by rounding, at %i bits', async (bits) => {
    const [rtn, gptq, awq] = [
      await outputErrors(await quantized(bits, 'rtn')),
      await outputErrors(await quantized(bits, 'gptq')),
      await outputErrors(await quantized(bits, 'awq')),
    ];
    for (const path of paths) {
      expect(gptq.get(path)!).toBeLessThan(0.9 * rtn.get(path)!);
      expect(awq.get(path)!).toBeLessThan(rtn.get(path)!);
      expect(gptq.get(path)!).toBeLessThan(awq.get(path)!);
    }
  });
});

// Quantization of a trained model on the default engine: what GPTQ and AWQ lose of real layers' outputs, against rounding.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { type MethodResult, methods, WindowCalibration } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateModel } from '#evaluate';
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

  async function quantized(bits: number, method: string): Promise<MethodResult> {
    const step = methods['quantize']!.step({ bits, method, include: paths }, 'quantize');
    return await step.apply(model, { engine, calibration }, quietContext);
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

  it('loses more with fewer bits in the order that is expected of trained models', async () => {
    const held = readFileSync(join(repositoryRoot, 'test/fixtures/text/evaluate.txt'), 'utf8').slice(0, 5_000);
    const heldOut = await tokenizeCorpus(textFromStrings([held]), fixtureTokenizer('wiki-gpt2-7m'), quietContext);
    const bitsPerByte = async (settings?: object): Promise<number> => {
      const made = settings === undefined ? undefined : methods['quantize']!.step(settings, 'quantize');
      const after = made === undefined ? model : (await made.apply(model, { engine, calibration }, quietContext)).model;
      return (await evaluateModel(after, { corpus: heldOut, window: 128, stride: 128 }, engine, quietContext)).bitsPerByte;
    };
    const whole = await bitsPerByte();
    const losses: number[] = [];
    for (const settings of [{ method: 'static' }, { bits: 4 }, { bits: 2 }, { scheme: 'ternary' }, { scheme: 'binary' }])
      losses.push((await bitsPerByte(settings)) - whole);
    expect(losses).toEqual(losses.toSorted((a, b) => a - b));
    // In 8-bit integers nothing is lost; rounded to three values or two without training, the model is broken.
    expect(Math.abs(losses[0]!)).toBeLessThan(0.01);
    expect(Math.abs((await bitsPerByte({ method: 'dynamic' })) - whole)).toBeLessThan(0.01);
    expect(losses[3]!).toBeGreaterThan(0.3);
  });

  it.each([4, 3, 2])('loses least of the outputs by GPTQ, then by AWQ, then by rounding, at %i bits', async (bits) => {
    const rtn = await outputErrors((await quantized(bits, 'rtn')).model);
    const [gptq, awq] = await Promise.all(
      ['gptq', 'awq'].map(async (method) => {
        const { report } = await quantized(bits, method);
        return new Map(report.layers.map(({ path, outputError }) => [path, outputError]));
      }),
    );
    for (const path of paths) {
      expect(gptq!.get(path)!).toBeLessThan(0.9 * rtn.get(path)!);
      expect(awq!.get(path)!).toBeLessThan(0.9 * rtn.get(path)!);
      expect(gptq!.get(path)!).toBeLessThan(awq!.get(path)!);
    }
  });
});

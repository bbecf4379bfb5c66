// Second moments of layer inputs: against the sums of inputs that the model's graph really produces.
import { describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { type InputMoments, selectMatrices, WindowCalibration } from '#compress';
import { createReferenceEngine } from '#engine/reference';
import { GraphBuilder } from '#graph';
import { multiply } from '#linalg';
import { causalNetwork, graphNames, type Model, materializeParameter, modelInputs, replaceParameters } from '#models';
import { type HostTensor, toNumbers } from '#tensor';
import { transposeFlat } from './matrices.ts';
import { llamaConfig, tinyModel, tinyWindows } from './tiny-model.ts';

const engine = createReferenceEngine();

async function moments(model: Model, paths: readonly string[], options = {}): Promise<InputMoments[]> {
  const all: InputMoments[] = [];
  for await (const each of new WindowCalibration(engine, tinyWindows(), options).inputMoments(model, paths, quietContext)) all.push(each);
  return all;
}

/** X of one layer over all windows, by running the model with that value as the output. */
async function inputRows(model: Model, path: string): Promise<Float64Array> {
  const b = new GraphBuilder();
  const tokens = b.input(graphNames.tokens, 'int64', [2, 12]);
  const net = causalNetwork(b, model, tokens);
  net.hidden(tokens);
  const program = await engine.compile(b.graph({ x: net.linearInputs.get(path)![0]! }));
  const inputs: Record<string, HostTensor> = Object.fromEntries(
    [...modelInputs(model)].filter(([name]) => program.inputNames.includes(name)),
  );
  const rows: number[] = [];
  for await (const window of tinyWindows()()) {
    const x = (await program.run({ ...inputs, tokens: window }))['x']!;
    rows.push(...toNumbers(x.read()));
    x.release();
  }
  return Float64Array.from(rows);
}

describe('WindowCalibration', () => {
  it('sums XᵀX over all windows for every layer', async () => {
    const model = tinyModel();
    const paths = selectMatrices(model, {}).map(({ path }) => path);
    const all = await moments(model, paths);
    expect(all.flatMap((each) => each.paths).sort()).toEqual([...paths].sort());
    for (const path of ['h.0.attn.qkv.weight', 'h.1.attn.out.weight', 'h.1.mlp.proj.weight']) {
      const { gram, width, tokens } = all.find((each) => each.paths.includes(path))!;
      expect(tokens).toBe(72);
      const rows = await inputRows(model, path);
      const expected = multiply(transposeFlat(rows, 72, width), rows, width, 72, width);
      gram.forEach((value, index) => {
        expect(value).toBeCloseTo(expected[index]!, 4);
      });
    }
  });

  it('gives WᵀHW of the layers whose outputs are asked for, and H of the others', async () => {
    const model = tinyModel();
    const [narrow, wide] = ['h.1.mlp.proj.weight', 'h.1.mlp.fc.weight'];
    const found: InputMoments[] = [];
    const calibration = new WindowCalibration(engine, tinyWindows());
    const asked = { ofOutputs: new Set([narrow]) };
    for await (const each of calibration.inputMoments(model, [narrow, wide], quietContext, asked)) found.push(each);
    expect(found.map(({ paths, ofOutputs }) => [paths, ofOutputs])).toEqual([
      [[narrow], true],
      [[wide], undefined],
    ]);
    const { shape } = materializeParameter(model, narrow);
    const [m, n] = [shape[0]!, shape[1]!];
    const [{ gram, width, tokens }] = [found[0]!];
    expect([width, tokens]).toEqual([n, 72]);
    const outputs = multiply(await inputRows(model, narrow), Float64Array.from(materializeParameter(model, narrow).data), 72, m, n);
    const expected = multiply(transposeFlat(outputs, 72, n), outputs, n, 72, n);
    gram.forEach((value, index) => {
      expect(value).toBeCloseTo(expected[index]!, 4);
    });
  });

  it('counts an input that several layers read once', async () => {
    const model = tinyModel(llamaConfig);
    const all = await moments(
      model,
      selectMatrices(model, {}).map(({ path }) => path),
    );
    expect(all[0]!.paths).toHaveLength(3); // query, key, value
    expect(all).toHaveLength(8);
  });

  it('reaches the input of an untied head', async () => {
    const [head] = await moments(tinyModel(llamaConfig), ['head.weight']);
    expect(head).toMatchObject({ paths: ['head.weight'], width: 16, tokens: 72 });
  });

  it('gives the same bits in one pass and in many', async () => {
    const model = tinyModel();
    const paths = selectMatrices(model, {}).map(({ path }) => path);
    const [together, apart] = [await moments(model, paths), await moments(model, paths, { memoryBytes: 1 })];
    expect(apart).toEqual(together);
  });

  it('gives all device memory back', () => {
    expect(engine.counters().bufferBytes).toBe(0);
  });

  it('refuses data without a window, and activations that are not finite', async () => {
    const model = tinyModel();
    const empty = new WindowCalibration(engine, tinyWindows(0));
    const drain = async (calibration: WindowCalibration, which: Model): Promise<void> => {
      for await (const each of calibration.inputMoments(which, ['h.0.attn.out.weight'], quietContext)) expect(each.tokens).toBe(0);
    };
    await expect(drain(empty, model)).rejects.toMatchObject({ code: 'not_enough_samples' });
    const qkv = model.parameters.get('h.0.attn.qkv.weight')!;
    const value = { ...qkv.tensors['value']!, data: new Float32Array(16 * 48).fill(Number.NaN) };
    const broken = replaceParameters(model, [{ ...qkv, tensors: { value } }]);
    await expect(drain(new WindowCalibration(engine, tinyWindows()), broken)).rejects.toMatchObject({ code: 'bad_weights' });
  });
});

// Layers of a compress job on the disk: recalled bit for bit, of this job only, and never asked for calibration again.
import { readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Progress } from '#base';
import { type Calibration, compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { type Model, storedTensors } from '#models';
import { rawBytes } from '#tensor';
import { forwardCalibration } from '#test/calibration';
import { temporaryFolder } from '#test/temporary';
import { LayerFolder } from '../../../src/jobs/layer-folder.ts';
import { tinyModel, tinyWindows } from '../compress/tiny-model.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
});
afterAll(() => engine.dispose());

/** Stops after `limit` layers, as a killed process would; counts what is calibrated. */
class Attempt {
  readonly calibrated: string[] = [];
  readonly progress: Progress[] = [];
  readonly #stop = new AbortController();
  readonly #limit: number;

  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit;
  }

  /** Programs and tensors that the device was given: work on a matrix needs some. */
  deviceCalls = 0;

  async run(model: Model, recipe: unknown, layers: LayerFolder | undefined): ReturnType<typeof compressModel> {
    const compile: Engine['compile'] = (graph, options) => {
      this.deviceCalls++;
      return engine.compile(graph, options);
    };
    const upload: Engine['upload'] = (tensor) => {
      this.deviceCalls++;
      return engine.upload(tensor);
    };
    const counted: Engine = {
      name: engine.name,
      runtime: engine.runtime,
      device: engine.device,
      nativeProducts: engine.nativeProducts,
      hasFastInt8: engine.hasFastInt8,
      compile,
      planRun: (graph, options) => engine.planRun(graph, options),
      allocate: (type) => engine.allocate(type),
      upload,
      borrow: upload,
      counters: () => engine.counters(),
      dispose: () => engine.dispose(),
    };
    const windows = new WindowCalibration(engine, tinyWindows());
    const calibrated = this.calibrated;
    const calibration: Calibration = {
      ...forwardCalibration(windows),
      inputMoments(of, paths, context) {
        calibrated.push(...paths);
        return windows.inputMoments(of, paths, context);
      },
    };
    const report = (progress: Progress): void => {
      this.progress.push(progress);
      if (this.progress.filter(({ item }) => item !== undefined).length >= this.#limit) this.#stop.abort();
    };
    const ofStep = layers === undefined ? {} : { ofStep: (index: number) => ({ memory: layers.step(index) }) };
    return compressModel(
      model,
      parseRecipe(recipe, methods),
      { engine: counted, calibration, ...ofStep },
      { report, signal: this.#stop.signal },
    );
  }
}

function bytesOf(model: Model): Record<string, string> {
  return Object.fromEntries([...storedTensors(model)].map(([name, tensor]) => [name, Buffer.from(rawBytes(tensor)).toString('hex')]));
}

const recipes: Readonly<Record<string, object>> = {
  'whitened low rank': { lowRank: { method: 'whitened', ratio: 0.5 } },
  'low rank by loss': { lowRank: { method: 'whitened', ratio: 0.5, allocate: 'loss' } },
  'plain low rank': { lowRank: { ratio: 0.5 } },
  kronecker: { kronecker: { ratio: 0.5 } },
  gptq: { quantize: { bits: 4, method: 'gptq', groupSize: 16 } },
};

describe('a compression that was stopped', () => {
  it.each(Object.entries(recipes))('goes on after its finished layers to the same weights: %s', async (_, step) => {
    const recipe = { steps: [step] };
    const model = tinyModel();
    const straight = await new Attempt().run(model, recipe, undefined);
    const folder = temporaryFolder();
    const stopped = new Attempt(3);
    await expect(stopped.run(model, recipe, new LayerFolder(folder, 'same'))).rejects.toMatchObject({ code: 'cancelled' });
    expect((await readdir(folder)).length).toBeGreaterThan(0);
    const resumed = new Attempt();
    const result = await resumed.run(model, recipe, new LayerFolder(folder, 'same'));
    expect(bytesOf(result.model)).toEqual(bytesOf(straight.model));
    expect(result.report).toEqual(straight.report);
    expect(resumed.progress.at(-1)).toMatchObject({ step: 8, total: 8 });
    if (stopped.calibrated.length > 0) expect(resumed.calibrated.length).toBeLessThan(stopped.calibrated.length);
    // With every layer there, nothing is calibrated and nothing is made.
    const again = new Attempt();
    expect(bytesOf((await again.run(model, recipe, new LayerFolder(folder, 'same'))).model)).toEqual(bytesOf(straight.model));
    expect(again.calibrated).toEqual([]);
    expect(again.deviceCalls).toBe(0);
    expect(stopped.deviceCalls).toBeGreaterThan(0);
  });

  it('makes a damaged layer again, and keeps steps apart', async () => {
    const recipe = { steps: [{ lowRank: { ratio: 0.75 } }, { lowRank: { ratio: 0.5 } }] };
    const folder = temporaryFolder();
    const first = await new Attempt().run(tinyModel(), recipe, new LayerFolder(folder, 'same'));
    const files = (await readdir(folder)).sort();
    expect(files).toHaveLength(16);
    await truncate(join(folder, files[0] ?? ''), 20);
    const second = await new Attempt().run(tinyModel(), recipe, new LayerFolder(folder, 'same'));
    expect(bytesOf(second.model)).toEqual(bytesOf(first.model));
    expect((await readdir(folder)).sort()).toEqual(files);
  });

  it('refuses layers of another model, recipe or data', async () => {
    const folder = temporaryFolder();
    const recipe = { steps: [{ lowRank: { ratio: 0.5 } }] };
    await new Attempt().run(tinyModel(), recipe, new LayerFolder(folder, 'one'));
    await expect(new Attempt().run(tinyModel(), recipe, new LayerFolder(folder, 'other'))).rejects.toMatchObject({
      code: 'resume_mismatch',
    });
  });

  it('remembers a layer that shares a tensor, and one that stays as it is', async () => {
    const memory = new LayerFolder(temporaryFolder(), 'same').step(0);
    const [parameter] = tinyModel().parameters.values();
    if (parameter === undefined) throw new Error('no parameter');
    const layer = { path: 'a', kindBefore: 'dense', kindAfter: 'dense', bytesBefore: 1, bytesAfter: 1, weightError: 0.1, note: 'kept' };
    await memory.remember('a', { layer, parameters: [] });
    expect(await memory.recall('a')).toEqual({ layer, parameters: [] });
    await memory.remember('b', { layer, parameters: [parameter, { ...parameter, path: 'twin' }] });
    const [one, two] = (await memory.recall('b'))?.parameters ?? [];
    expect(one?.tensors).toEqual(parameter.tensors);
    expect(two?.tensors['value']).toBe(one?.tensors['value']);
    expect(await memory.recall('c')).toBeUndefined();
  });
});

describe('errors before and after', () => {
  it('tells what the step before lost of a layer', async () => {
    const attempt = new Attempt();
    await attempt.run(tinyModel(), { steps: [{ lowRank: { ratio: 0.5 } }, { quantize: { bits: 8, groupSize: 16 } }] }, undefined);
    const of = (phase: string): Progress[] => attempt.progress.filter((each) => each.phase === phase);
    expect(of('low rank').every(({ metrics }) => metrics?.['errorBefore'] === 0)).toBe(true);
    expect(of('quantize').map(({ metrics }) => metrics?.['errorBefore'])).toEqual(
      of('low rank').map(({ metrics }) => metrics?.['weightError']),
    );
  });
});

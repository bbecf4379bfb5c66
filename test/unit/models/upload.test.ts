// Weights on a device.
import { describe, expect, it } from 'vitest';
import type { Engine } from '#engine';
import { createReferenceEngine } from '#engine/reference';
import { cacheTensors, cacheWidth, denseParameter, modelInputs, replaceParameters, storedTensors, uploadModel } from '#models';
import { castTensor } from '#tensor';
import { tinyGpt2, tinyLlama, tinyModel } from './tiny-models.ts';

describe('uploadModel', () => {
  const model = tinyModel(tinyGpt2);
  const path = 'h.1.mlp.fc.weight';
  const half = replaceParameters(model, [denseParameter(path, castTensor(model.parameters.get(path)!.tensors['value']!, 'float16'))]);

  it('makes one float32 buffer a stored tensor, named as the graphs name them', () => {
    const engine = createReferenceEngine();
    const buffers = uploadModel(engine, half, 'teacher/');
    expect(Object.keys(buffers)).toEqual([...storedTensors(half).keys()].map((name) => `teacher/${name}`));
    expect(new Set(Object.values(buffers).map(({ dtype }) => dtype))).toEqual(new Set(['float32']));
    expect(buffers[`teacher/${path}`]!.shape).toEqual([6, 10]);
  });

  it('holds nothing when it fails half-way', () => {
    const engine = createReferenceEngine();
    let uploads = 0;
    const failing: Engine = {
      ...engine,
      upload: (tensor) => {
        uploads += 1;
        if (uploads === 5) throw new Error('no more memory');
        return engine.upload(tensor);
      },
    };
    expect(() => uploadModel(failing, model)).toThrow('no more memory');
    expect(engine.counters().bufferBytes).toBe(0);
  });

  it('copies no tensor that is float32 already', () => {
    const inputs = new Map(modelInputs(half));
    expect(inputs.get('norm.bias')).toBe(storedTensors(half).get('norm.bias'));
    expect(inputs.get(path)).not.toBe(storedTensors(half).get(path));
  });
});

describe('cacheTensors', () => {
  it('have the key-value heads, and head widths rounded up to what kernels want', () => {
    const [first, , third] = cacheTensors({ config: tinyLlama }, 3, 12);
    const names = { input: 'cache.0.key', output: 'present.0.key', scales: 'scale.0.key' };
    expect(first).toEqual({ ...names, dtype: 'float32', shape: [3, 2, 12, 8] });
    expect(cacheTensors({ config: tinyLlama }, 3, 12, 'int8')[0]).toEqual({ ...names, dtype: 'int8', shape: [3, 2, 12, 16] });
    expect(third?.input).toBe('cache.1.key');
    expect([1, 8, 9, 64].map((width) => cacheWidth(width))).toEqual([8, 8, 16, 64]);
  });
});

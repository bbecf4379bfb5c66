// Tiny models, folders and disks for the tests of the store.
import { Random } from '#base';
import { type Gpt2Config, initializeModel, type LlamaConfig, type Model, replaceParameters } from '#models';
import { type FileSystem, localFileSystem } from '#store';
import { castTensor, type DType } from '#tensor';

export const tinyGpt2: Gpt2Config = {
  architecture: 'gpt2',
  vocabularySize: 11,
  width: 6,
  layers: 2,
  heads: 2,
  feedForwardWidth: 10,
  maxPositions: 9,
  tiedHead: true,
  normEpsilon: 1e-5,
  activation: 'geluTanh',
  beginToken: 1,
  endTokens: [2],
};

export const tinyLlama: LlamaConfig = {
  architecture: 'llama',
  vocabularySize: 13,
  width: 8,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headWidth: 6,
  feedForwardWidth: 10,
  maxPositions: 16,
  tiedHead: false,
  normEpsilon: 1e-6,
  activation: 'silu',
  rotaryBase: 10_000,
  rotaryScaling: { kind: 'none' },
  attentionBias: false,
  feedForwardBias: false,
  beginToken: 1,
  endTokens: [2, 3],
};

/** Random weights, large enough that logits differ clearly; every vector is random too. */
export function tinyModel(config: Gpt2Config | LlamaConfig, dtype: DType = 'float32', seed = 1): Model {
  const random = new Random(seed);
  const model = initializeModel(config, random, 0.3);
  const replacements = [...model.parameters.values()].map((parameter) => {
    const value = parameter.tensors['value']!;
    for (let index = 0; index < value.data.length; index++) value.data[index] = Number(value.data[index]) + 0.1 * random.normal();
    return { ...parameter, tensors: { value: castTensor(value, dtype) } };
  });
  return replaceParameters(model, replacements);
}

/** A tokenizer.json whose largest id is `size - 1`. */
export function tinyTokenizer(size: number): Map<string, Uint8Array> {
  const vocab = Object.fromEntries(Array.from({ length: size - 1 }, (_, id) => [`t${id}`, id]));
  const json = {
    version: '1.0',
    added_tokens: [{ id: size - 1, content: '<end>', special: true }],
    model: { type: 'BPE', vocab, merges: [] },
  };
  return new Map([['tokenizer.json', Buffer.from(JSON.stringify(json))]]);
}

/** A disk that is full after some bytes, or fails at the nth rename. */
export function failingDisk({
  freeBytes = Number.POSITIVE_INFINITY,
  renames = Number.POSITIVE_INFINITY,
}: {
  freeBytes?: number;
  renames?: number;
}): FileSystem {
  let free = freeBytes;
  let renamesLeft = renames;
  const full = (): Error => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  return {
    ...localFileSystem,
    async createFile(path) {
      const file = await localFileSystem.createFile(path);
      return {
        ...file,
        async write(bytes) {
          await file.write(bytes.subarray(0, Math.min(free, bytes.length)));
          free -= bytes.length;
          if (free < 0) throw full();
        },
      };
    },
    async rename(from, to) {
      if (renamesLeft-- <= 0) throw full();
      await localFileSystem.rename(from, to);
    },
  };
}

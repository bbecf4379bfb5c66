// Hugging Face folders: import, export, both ways against transformers, and folders that must be refused.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { denseParameter, type Model, materializeParameter, replaceParameters } from '#models';
import {
  exportHuggingFace,
  FolderWriter,
  importHuggingFace,
  localFileSystem,
  readSafetensors,
  tensorSource,
  writeSafetensors,
} from '#store';
import { castTensor, type DType, float32, type HostTensor, transposeMatrix } from '#tensor';
import { repositoryRoot } from '../../../support/shared.ts';
import { temporaryFolder } from '../../../support/temporary.ts';
import { failingDisk, tinyGpt2, tinyLlama, tinyModel, tinyTokenizer } from '../models.ts';
import { itWithPython, runPython } from '../python.ts';

const fixtures = join(repositoryRoot, 'test/fixtures/models');

function weightOf(model: Model, path: string): HostTensor {
  return model.parameters.get(path)!.tensors['value']!;
}

function expectSameModel(actual: Model, expected: Model): void {
  expect(actual.config).toEqual(expected.config);
  expect([...actual.parameters.keys()]).toEqual([...expected.parameters.keys()]);
  for (const path of expected.parameters.keys()) expect(weightOf(actual, path), path).toEqual(weightOf(expected, path));
}

async function exported(model: Model, options: Parameters<typeof exportHuggingFace>[3] = {}): Promise<string> {
  const folder = join(temporaryFolder(), 'model');
  await exportHuggingFace(model, tinyTokenizer(model.config.vocabularySize), folder, options);
  return folder;
}

/** Rewrites the weights of a folder. */
async function editWeights(folder: string, edit: (tensors: Map<string, HostTensor>) => void): Promise<void> {
  const tensors = new Map((await readSafetensors(join(folder, 'model.safetensors'))).tensors);
  edit(tensors);
  rmSync(join(folder, 'model.safetensors'));
  const sources = new Map([...tensors].map(([name, tensor]) => [name, tensorSource(tensor)]));
  await writeSafetensors(new FolderWriter(localFileSystem, folder), 'model.safetensors', sources);
}

function editJson(path: string, edit: (json: Record<string, unknown>) => void): void {
  const json = JSON.parse(readFileSync(path, 'utf8'));
  edit(json);
  writeFileSync(path, JSON.stringify(json));
}

describe('importing a Hugging Face folder', () => {
  it('reads the real GPT-2 in the half precision of its file', async () => {
    const { model, tokenizerFiles, generation } = await importHuggingFace(join(fixtures, 'wiki-gpt2-7m'));
    expect(model.config).toMatchObject({
      architecture: 'gpt2',
      vocabularySize: 8192,
      width: 256,
      layers: 6,
      heads: 8,
      tiedHead: true,
      endTokens: [0],
    });
    expect(weightOf(model, 'h.0.attn.qkv.weight')).toMatchObject({ dtype: 'float16', shape: [256, 768] });
    const { tensors } = await readSafetensors(join(fixtures, 'wiki-gpt2-7m/model.safetensors'));
    expect(weightOf(model, 'h.3.mlp.fc.weight').data).toEqual(tensors.get('transformer.h.3.mlp.c_fc.weight')?.data);
    expect([...tokenizerFiles.keys()]).toEqual(['tokenizer.json', 'tokenizer_config.json']);
    expect(generation).toMatchObject({ beginToken: 0, endTokens: [0] });
  });

  it('reads the real Llama and turns its linear layers round', async () => {
    const { model } = await importHuggingFace(join(fixtures, 'stories260K'));
    expect(model.config).toMatchObject({ architecture: 'llama', keyValueHeads: 4, headWidth: 8, tiedHead: true });
    const { tensors } = await readSafetensors(join(fixtures, 'stories260K/model.safetensors'));
    const gate = tensors.get('model.layers.2.mlp.gate_proj.weight')!;
    expect(gate.shape).toEqual([172, 64]);
    expect(weightOf(model, 'h.2.mlp.gate.weight')).toEqual(transposeMatrix(gate));
    expect(weightOf(model, 'embed.token.weight').shape).toEqual([512, 64]);
  });

  it.each(['float32', 'float16', 'bfloat16'] as const)('gives back an exported model in %s', async (dtype) => {
    for (const config of [
      tinyGpt2,
      { ...tinyGpt2, tiedHead: false },
      tinyLlama,
      { ...tinyLlama, attentionBias: true, feedForwardBias: true },
    ]) {
      const model = tinyModel(config, dtype);
      expectSameModel((await importHuggingFace(await exported(model))).model, model);
    }
  });

  it('reads shards', async () => {
    const model = tinyModel(tinyLlama);
    const folder = await exported(model, { maxShardBytes: 900 });
    expect(readdirSync(folder).filter((name) => name.endsWith('.safetensors')).length).toBeGreaterThan(2);
    expectSameModel((await importHuggingFace(folder)).model, model);
  });

  it('reads checkpoints without the prefix and passes over buffers', async () => {
    const model = tinyModel(tinyGpt2);
    const folder = await exported(model);
    await editWeights(folder, (tensors) => {
      for (const [name, tensor] of [...tensors]) {
        tensors.delete(name);
        tensors.set(name.replace('transformer.', ''), tensor);
      }
      tensors.set('h.0.attn.bias', float32([1, 1, 2, 2], [1, 0, 1, 1]));
      tensors.set('h.1.attn.masked_bias', float32([], [-1e4]));
    });
    expectSameModel((await importHuggingFace(folder)).model, model);
  });

  it('accepts a stored head that equals the tied embedding, also in its place', async () => {
    const model = tinyModel(tinyGpt2);
    const folder = await exported(model);
    await editWeights(folder, (tensors) => tensors.set('lm_head.weight', tensors.get('transformer.wte.weight')!));
    expectSameModel((await importHuggingFace(folder)).model, model);
    await editWeights(folder, (tensors) => tensors.delete('transformer.wte.weight'));
    expectSameModel((await importHuggingFace(folder)).model, model);
  });

  it('reports each tensor and stops when it is cancelled', async () => {
    const folder = await exported(tinyModel(tinyGpt2));
    const controller = new AbortController();
    const items: (string | undefined)[] = [];
    const report = ({ item }: { item?: string }): void => {
      if (items.push(item) === 3) controller.abort();
    };
    await expect(importHuggingFace(folder, { report, signal: controller.signal })).rejects.toMatchObject({ code: 'cancelled' });
    expect(items).toEqual(['embed.token.weight', 'embed.position.weight', 'h.0.ln1.weight']);
  });

  it('lets the end tokens of generation_config.json win', async () => {
    const folder = await exported(tinyModel(tinyGpt2), { generation: { endTokens: [4, 5], temperature: 0.5, topK: 7 } });
    const { model, generation } = await importHuggingFace(folder);
    expect(model.config.endTokens).toEqual([4, 5]);
    expect(generation).toMatchObject({ endTokens: [4, 5], temperature: 0.5, topK: 7 });
  });

  it('needs a tokenizer unless told otherwise', async () => {
    const folder = await exported(tinyModel(tinyGpt2));
    rmSync(join(folder, 'tokenizer.json'));
    await expect(importHuggingFace(folder)).rejects.toMatchObject({
      code: 'file_not_found',
      message: expect.stringMatching(/tokenizer\.json/),
    });
    expect((await importHuggingFace(folder, { tokenizer: 'optional' })).tokenizerFiles.size).toBe(0);
  });

  const weights = (edit: (tensors: Map<string, HostTensor>) => void) => (folder: string) => editWeights(folder, edit);
  const config = (fields: object) => (folder: string) => editJson(join(folder, 'config.json'), (json) => Object.assign(json, fields));
  const badFolders: readonly (readonly [what: string, damage: (folder: string) => unknown, code: string, message: RegExp])[] = [
    ['no folder', (folder) => rmSync(folder, { recursive: true }), 'file_not_found', /no such file or folder\. Check the path/],
    ['no config', (folder) => rmSync(join(folder, 'config.json')), 'file_not_found', /config\.json/],
    ['a config that is no JSON', (folder) => writeFileSync(join(folder, 'config.json'), '{'), 'bad_config', /config\.json: not JSON/],
    ['another architecture', config({ model_type: 'xlnet' }), 'unknown_architecture', /"xlnet".*gpt2, llama/],
    ['no weights', (folder) => rmSync(join(folder, 'model.safetensors')), 'file_not_found', /model\.safetensors/],
    [
      'a pickle',
      (folder) => renameSync(join(folder, 'model.safetensors'), join(folder, 'pytorch_model.bin')),
      'pickle_refused',
      /pytorch_model\.bin: pickle files run any code.*safe_serialization=True/,
    ],
    [
      'cut weights',
      (folder) => writeFileSync(join(folder, 'model.safetensors'), 'short'),
      'bad_safetensors',
      /model\.safetensors: has 5 bytes/,
    ],
    [
      'a missing tensor',
      weights((tensors) => tensors.delete('transformer.h.1.ln_2.bias')),
      'config_mismatch',
      /"transformer\.h\.1\.ln_2\.bias" \[6\] missing from the checkpoint/,
    ],
    [
      'an unexpected tensor',
      weights((tensors) => tensors.set('extra.weight', float32([1], [0]))),
      'config_mismatch',
      /"extra\.weight" in the checkpoint/,
    ],
    [
      'more layers than tensors',
      config({ n_layer: 3 }),
      'config_mismatch',
      /"transformer\.h\.2\.ln_1\.weight" \[6\],.* and 9 more missing/,
    ],
    ['fewer layers than tensors', config({ n_layer: 1 }), 'config_mismatch', /"transformer\.h\.1\.[^"]+",.* and 9 more in the checkpoint/],
    [
      'another width',
      config({ n_embd: 8 }),
      'config_mismatch',
      /"transformer\.wte\.weight" in model\.safetensors is \[11, 6\], but config\.json asks for \[11, 8\]/,
    ],
    [
      'integer weights',
      weights((tensors) => tensors.set('transformer.ln_f.bias', castTensor(float32([6], [0, 0, 0, 0, 0, 0]), 'int8'))),
      'config_mismatch',
      /"transformer\.ln_f\.bias" in model\.safetensors is int8/,
    ],
    [
      'the same parameter under two names',
      weights((tensors) => tensors.set('ln_f.bias', tensors.get('transformer.ln_f.bias')!)),
      'config_mismatch',
      /are the same parameter/,
    ],
    [
      'a head that is not the tied embedding',
      weights((tensors) => tensors.set('lm_head.weight', float32([11, 6], new Float32Array(66)))),
      'config_mismatch',
      /tie_word_embeddings is true, but "lm_head\.weight" is not "transformer\.wte\.weight": element 0 is 0 against/,
    ],
    [
      'a NaN weight',
      weights((tensors) => (tensors.get('transformer.h.0.mlp.c_fc.weight')!.data[13] = Number.NaN)),
      'bad_weights',
      /"transformer\.h\.0\.mlp\.c_fc\.weight": element \[1, 3\] of \[6, 10\] is NaN/,
    ],
    [
      'an infinite weight',
      weights((tensors) => (tensors.get('transformer.ln_f.bias')!.data[2] = Number.NEGATIVE_INFINITY)),
      'bad_weights',
      /element \[2\] of \[6\] is -Infinity/,
    ],
    [
      'a tokenizer that is too large',
      (folder) => writeFileSync(join(folder, 'tokenizer.json'), tinyTokenizer(12).get('tokenizer.json')!),
      'tokenizer_mismatch',
      /token "<end>" has id 11, but the embedding has 11 rows \(0\.\.10\)/,
    ],
    [
      'a tokenizer that is no JSON',
      (folder) => writeFileSync(join(folder, 'tokenizer.json'), 'x'),
      'bad_tokenizer',
      /tokenizer\.json: not JSON/,
    ],
    [
      'a tokenizer without vocabulary',
      (folder) => writeFileSync(join(folder, 'tokenizer.json'), '{}'),
      'bad_tokenizer',
      /tokenizer\.json: model/,
    ],
    [
      'bad sampling settings',
      (folder) => writeFileSync(join(folder, 'generation_config.json'), '{"top_p":2}'),
      'bad_config',
      /generation_config\.json: top_p: .*found 2/,
    ],
  ];
  it.each(badFolders)('refuses %s', async (_what, damage, code, message) => {
    const folder = await exported(tinyModel(tinyGpt2));
    await damage(folder);
    await expect(importHuggingFace(folder)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  const index = (edit: (weightMap: Record<string, string>) => void) => (folder: string) =>
    editJson(join(folder, 'model.safetensors.index.json'), (json) => edit(json['weight_map'] as Record<string, string>));
  const shardOf = (folder: string, number: number): string =>
    readdirSync(folder).find((name) => name.startsWith(`model-0000${number}`) && name.endsWith('.safetensors'))!;
  const badShards: readonly (readonly [what: string, damage: (folder: string) => unknown, message: RegExp])[] = [
    [
      'a missing shard',
      (folder) => rmSync(join(folder, shardOf(folder, 2))),
      /shard "model-00002-of-\d+\.safetensors" with \d+ tensors is missing/,
    ],
    [
      'a tensor in the wrong shard',
      (folder) => index((map) => (map['model.norm.weight'] = shardOf(folder, 1)))(folder),
      /"model\.norm\.weight" should be in "model-00001[^"]+", but is in "model-\d+/,
    ],
    [
      'a tensor in no shard',
      (folder) => index((map) => (map['phantom'] = shardOf(folder, 1)))(folder),
      /"phantom" should be in "[^"]+", but is in none of the \d+ shards/,
    ],
    ['a tensor that is not listed', index((map) => delete map['model.norm.weight']), /holds "model\.norm\.weight", which .* does not list/],
    [
      'a path out of the folder',
      index((map) => (map['model.norm.weight'] = '../x.safetensors')),
      /"\.\.\/x\.safetensors", which is not the name/,
    ],
    ['an absolute path', index((map) => (map['model.norm.weight'] = '/etc/x.safetensors')), /which is not the name/],
    ['a pickle as a shard', index((map) => (map['model.norm.weight'] = 'x.bin')), /which is not the name/],
    [
      'the same tensor in two shards',
      (folder) => cpSync(join(folder, shardOf(folder, 1)), join(folder, shardOf(folder, 2))),
      /is in another shard too/,
    ],
    [
      'an index without a map',
      (folder) => writeFileSync(join(folder, 'model.safetensors.index.json'), '{}'),
      /model\.safetensors\.index\.json: weight_map: .*found nothing/,
    ],
  ];
  it.each(badShards)('refuses %s', async (_what, damage, message) => {
    const folder = await exported(tinyModel(tinyLlama), { maxShardBytes: 900 });
    await damage(folder);
    await expect(importHuggingFace(folder)).rejects.toMatchObject({ code: 'bad_safetensors', message: expect.stringMatching(message) });
  });
});

describe('exporting a Hugging Face folder', () => {
  const lowRank = (model: Model, dtype: DType = 'float32'): Model => {
    const spec = weightOf(model, 'h.0.attn.qkv.weight').shape;
    const left = float32(
      [spec[0]!, 2],
      Float32Array.from({ length: spec[0]! * 2 }, (_, i) => Math.sin(i)),
    );
    const right = float32(
      [2, spec[1]!],
      Float32Array.from({ length: spec[1]! * 2 }, (_, i) => Math.cos(i)),
    );
    const tensors = { left: castTensor(left, dtype), right: castTensor(right, dtype) };
    return replaceParameters(model, [{ path: 'h.0.attn.qkv.weight', kind: 'lowRank', settings: { rank: 2 }, tensors }]);
  };

  it('writes the dense matrix that a low-rank parameter stands for', async () => {
    const model = lowRank(tinyModel(tinyGpt2));
    const { model: read } = await importHuggingFace(await exported(model));
    expect(weightOf(read, 'h.0.attn.qkv.weight')).toEqual(materializeParameter(model, 'h.0.attn.qkv.weight'));
  });

  it('writes products of half-precision factors in float32, so that the logits stay', async () => {
    const model = lowRank(tinyModel(tinyGpt2, 'float16'), 'float16');
    const { model: read } = await importHuggingFace(await exported(model));
    expect(weightOf(read, 'h.0.attn.qkv.weight')).toEqual(materializeParameter(model, 'h.0.attn.qkv.weight'));
    const { model: dense } = await importHuggingFace(await exported(tinyModel(tinyGpt2, 'float16')));
    expect(weightOf(dense, 'h.0.attn.qkv.weight').dtype).toBe('float16');
  });

  it('converts to the type asked for', async () => {
    const { model } = await importHuggingFace(await exported(tinyModel(tinyGpt2), { dtype: 'bfloat16' }));
    expect(weightOf(model, 'norm.weight').dtype).toBe('bfloat16');
  });

  it('refuses to write values that float16 cannot hold', async () => {
    const model = replaceParameters(tinyModel(tinyGpt2), [denseParameter('norm.bias', float32([6], [0, 0, 1e6, 0, 0, 0]))]);
    const parent = temporaryFolder();
    await expect(exportHuggingFace(model, new Map(), join(parent, 'out'), { dtype: 'float16' })).rejects.toMatchObject({
      code: 'bad_weights',
      message: expect.stringMatching(/norm\.bias: element 2 is beyond 65504/),
    });
    expect(readdirSync(parent)).toEqual([]);
  });

  it('fills an empty folder and refuses one that is not', async () => {
    const folder = join(temporaryFolder(), 'out');
    mkdirSync(folder);
    const model = tinyModel(tinyGpt2);
    await exportHuggingFace(model, new Map(), folder);
    const before = readFileSync(join(folder, 'model.safetensors'));
    await expect(exportHuggingFace(tinyModel(tinyGpt2, 'float32', 2), new Map(), folder)).rejects.toMatchObject({ code: 'file_exists' });
    expect(readFileSync(join(folder, 'model.safetensors')).equals(before)).toBe(true);
    await expect(exportHuggingFace(model, new Map(), join(folder, 'config.json'))).rejects.toMatchObject({ code: 'file_exists' });
  });

  it('leaves nothing behind when the disk is full, after any number of bytes', async () => {
    const parent = temporaryFolder();
    const model = tinyModel(tinyGpt2);
    for (const freeBytes of [0, 100, 1000, 3000, 6000]) {
      const failure = exportHuggingFace(model, tinyTokenizer(11), join(parent, 'out'), { fileSystem: failingDisk({ freeBytes }) });
      await expect(failure).rejects.toMatchObject({ code: 'disk_full', message: expect.stringMatching(/nothing was kept. Free space/) });
      expect(readdirSync(parent)).toEqual([]);
    }
    await expect(
      exportHuggingFace(model, new Map(), join(parent, 'out'), { fileSystem: failingDisk({ renames: 0 }) }),
    ).rejects.toMatchObject({ code: 'disk_full' });
    expect(readdirSync(parent)).toEqual([]);
  });

  it('stops when it is cancelled, leaving nothing', async () => {
    const parent = temporaryFolder();
    await expect(
      exportHuggingFace(tinyModel(tinyGpt2), new Map(), join(parent, 'out'), { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'cancelled' });
    expect(existsSync(join(parent, 'out'))).toBe(false);
    expect(readdirSync(parent)).toEqual([]);
  });

  itWithPython('writes folders from which transformers computes the same logits', async () => {
    const [originals, copies] = [join(temporaryFolder(), 'in'), join(temporaryFolder(), 'out')];
    const names = (await runPython('hugging-face/transformers_oracle.py', 'make', originals)) as string[];
    for (const name of ['wiki-gpt2-7m', 'stories260K']) cpSync(join(fixtures, name), join(originals, name), { recursive: true });
    mkdirSync(copies);
    for (const name of [...names, 'wiki-gpt2-7m', 'stories260K']) {
      const { model, tokenizerFiles, generation } = await importHuggingFace(join(originals, name), { tokenizer: 'optional' });
      await exportHuggingFace(model, tokenizerFiles, join(copies, name), { generation, maxShardBytes: name === 'llama-bias' ? 3000 : 5e9 });
    }
    const differences = (await runPython('hugging-face/transformers_oracle.py', 'compare', originals, copies)) as Record<string, number>;
    expect(differences).toEqual(Object.fromEntries(Object.keys(differences).map((name) => [name, 0])));
    expect(Object.keys(differences).length).toBe(names.length + 2);
  });
});

// Encoder folders: configurations that must be refused, poolings of sentence-transformers, and vocab.txt.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BertConfig, EncoderTask } from '#models';
import { exportHuggingFace, importHuggingFace, readHuggingFaceConfig, writeHuggingFaceConfig } from '#store';
import { albertConfig, bertConfig, tinyEncoder, twoLabels } from '#test/encoders';
import { temporaryFolder } from '#test/temporary';
import { tokenizerFromFiles } from '#text';

const bert = {
  model_type: 'bert',
  vocab_size: 40,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 32,
  max_position_embeddings: 24,
};

describe('config.json of an encoder', () => {
  const tasks: readonly EncoderTask[] = [
    twoLabels,
    { kind: 'masked' },
    { kind: 'embed', pooling: 'first', normalize: true },
    { kind: 'embed', pooling: 'mean', normalize: false },
  ];
  const families: readonly ((task: EncoderTask) => ReturnType<typeof bertConfig> | ReturnType<typeof albertConfig>)[] = [
    bertConfig,
    albertConfig,
    (task): BertConfig => ({ ...bertConfig(task), family: 'roberta', padToken: 1, tokenTypes: 1 }),
    (task): BertConfig => ({ ...bertConfig(task), family: 'distilbert', tokenTypes: 0, normEpsilon: 1e-12, activation: 'relu' }),
  ];

  it.each(tasks)('comes back as it was written, for $kind', (task) => {
    for (const family of families) {
      const config = family(task);
      expect(readHuggingFaceConfig(writeHuggingFaceConfig(config, 'float32'))).toEqual(config);
    }
  });

  it('has two labels where transformers leaves its default out', () => {
    const read = readHuggingFaceConfig({ ...bert, architectures: ['BertForSequenceClassification'] });
    expect(read.task).toEqual({ kind: 'classify', labels: ['LABEL_0', 'LABEL_1'] });
  });

  it.each([
    [{ architectures: ['BertForTokenClassification'] }, /architectures.*BertForTokenClassification.*BertForMaskedLM/],
    [{ architectures: ['BertForSequenceClassification'], id2label: { 0: 'only' } }, /id2label.*regression/],
    [{ problem_type: 'regression' }, /problem_type/],
    [{ position_embedding_type: 'relative_key' }, /position_embedding_type/],
    [{ is_decoder: true }, /is_decoder/],
    [{ hidden_size: 18 }, /hidden_size.*not a multiple of num_attention_heads 4/],
    [{ hidden_act: 'mish' }, /hidden_act/],
    [{ model_type: 'roberta', pad_token_id: 30 }, /max_position_embeddings/],
    [{ model_type: 'albert', num_hidden_groups: 2 }, /num_hidden_groups: 2 groups/],
  ])('is refused with %j', (changes, message) => {
    expect(() => readHuggingFaceConfig({ ...bert, ...changes })).toThrow(message);
  });
});

describe('a folder of sentence-transformers', () => {
  const modules = (...kinds: string[]) =>
    JSON.stringify(
      kinds.map((kind, idx) => ({ idx, name: `${idx}`, path: kind === 'Pooling' ? '1_Pooling' : '', type: `models.${kind}` })),
    );
  const folderWith = async (modulesJson: string, pooling?: object): Promise<string> => {
    const folder = join(temporaryFolder(), 'model');
    await exportHuggingFace(tinyEncoder(bertConfig({ kind: 'embed', pooling: 'mean', normalize: false })), new Map(), folder);
    writeFileSync(join(folder, 'modules.json'), modulesJson);
    mkdirSync(join(folder, '1_Pooling'));
    if (pooling !== undefined) writeFileSync(join(folder, '1_Pooling/config.json'), JSON.stringify(pooling));
    return folder;
  };
  const open = async (folder: string) => (await importHuggingFace(folder, { tokenizer: 'optional' })).model.config.task;

  it('says how its vectors are made', async () => {
    const first = await folderWith(modules('Transformer', 'Pooling', 'Normalize'), { pooling_mode_cls_token: true });
    expect(await open(first)).toEqual({ kind: 'embed', pooling: 'first', normalize: true });
    const mean = await folderWith(modules('Transformer', 'Pooling'), { pooling_mode_mean_tokens: true });
    expect(await open(mean)).toEqual({ kind: 'embed', pooling: 'mean', normalize: false });
  });

  it('is refused with other modules or poolings, or without the file of its pooling', async () => {
    const dense = await folderWith(modules('Transformer', 'Pooling', 'Dense'), { pooling_mode_mean_tokens: true });
    await expect(open(dense)).rejects.toMatchObject({ code: 'bad_config', message: expect.stringContaining('"Dense"') });
    const largest = await folderWith(modules('Transformer', 'Pooling'), { pooling_mode_max_tokens: true });
    await expect(open(largest)).rejects.toMatchObject({ code: 'bad_config', message: expect.stringContaining('1_Pooling/config.json') });
    const without = await folderWith(modules('Transformer', 'Pooling'));
    await expect(open(without)).rejects.toMatchObject({ code: 'file_not_found' });
  });
});

describe('vocab.txt', () => {
  it('becomes a tokenizer, and is refused without the special tokens of BERT', async () => {
    const folder = join(temporaryFolder(), 'model');
    await exportHuggingFace(tinyEncoder(bertConfig(twoLabels)), new Map(), folder);
    writeFileSync(join(folder, 'vocab.txt'), '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwalk\n##ing\ncafe\n.\n');
    const { tokenizerFiles } = await importHuggingFace(folder);
    const tokenizer = tokenizerFromFiles(tokenizerFiles);
    expect([...tokenizer.encode('Walking café.', { addSpecialTokens: true })]).toEqual([2, 5, 6, 7, 8, 3]);
    rmSync(join(folder, 'vocab.txt'));
    writeFileSync(join(folder, 'vocab.txt'), '[PAD]\nwalk\n');
    await expect(importHuggingFace(folder)).rejects.toMatchObject({ code: 'bad_tokenizer', message: expect.stringContaining('[UNK]') });
  });
});

// Tiny random encoders, and texts for them.
import { Random } from '#base';
import { type AlbertConfig, type BertConfig, type EncoderTask, initializeModel, type Model } from '#models';
import { type EncodedText, type LabelledText, loadTokenizer, type PaddedTexts, padTexts, type Tokenizer } from '#text';

const common = {
  vocabularySize: 40,
  width: 16,
  heads: 4,
  feedForwardWidth: 32,
  maxPositions: 24,
  tiedHead: true,
  normEpsilon: 1e-5,
  endTokens: [],
  activation: 'gelu',
  tokenTypes: 2,
  padToken: 0,
} as const;

export const twoLabels: EncoderTask = { kind: 'classify', labels: ['low', 'high'] };

export const bertConfig = (task: EncoderTask): BertConfig => ({ ...common, architecture: 'bert', family: 'bert', layers: 2, task });

export const albertConfig = (task: EncoderTask): AlbertConfig => ({
  ...common,
  architecture: 'albert',
  layers: 3,
  embeddingWidth: 8,
  task,
});

const specialTokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const words = 'the a river bridge house was old new long short red green and under over near people crossed it saw of water stone';

/** vocab.txt of 40 word pieces, as many as the tiny encoders have. */
export const vocabulary: readonly string[] = [
  ...specialTokens,
  ...words.split(' '),
  ...'.,-!?()'.split(''),
  '##s',
  '##ed',
  '##er',
  'in',
  'on',
];

/** A tokenizer of these words, with BERT's special tokens. */
export function wordTokenizer(): Tokenizer {
  const special = (id: string, typeId: number) => ({ SpecialToken: { id, type_id: typeId } });
  const sequence = (id: 'A' | 'B', typeId: number) => ({ Sequence: { id, type_id: typeId } });
  const single = [special('[CLS]', 0), sequence('A', 0), special('[SEP]', 0)];
  const ids = new Map(vocabulary.map((content, id) => [content, id]));
  return loadTokenizer({
    tokenizerJson: {
      added_tokens: specialTokens.map((content, id) => ({ id, content, special: true, normalized: false })),
      normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: {
        type: 'TemplateProcessing',
        single,
        pair: [...single, sequence('B', 1), special('[SEP]', 1)],
        special_tokens: Object.fromEntries(['[CLS]', '[SEP]'].map((id) => [id, { id, ids: [ids.get(id)], tokens: [id] }])),
      },
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
      model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', vocab: Object.fromEntries(ids) },
    },
  });
}

export function tinyEncoder(config: BertConfig | AlbertConfig, seed = 1, deviation = 0.2): Model {
  return initializeModel(config, new Random(seed), deviation);
}

/** Texts of 3 to 12 tokens after a first one that is always the same; a text's label says whether most tokens are above 20. */
export function tinyTexts(count: number, seed = 5): LabelledText[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => {
    const length = 3 + random.integer(9);
    const label = random.integer(2);
    const tokens = Array.from({ length }, () =>
      random.uniform() < 0.9 === (label === 1) ? 21 + random.integer(19) : 2 + random.integer(18),
    );
    const ids = Int32Array.of(1, ...tokens);
    return { ids, types: Uint8Array.from(ids, (_, index) => (index > 3 ? 1 : 0)), label };
  });
}

/** Texts that count upwards: a hidden token follows from its neighbours. */
export function countingTexts(count: number): EncodedText[] {
  const random = new Random(4);
  return Array.from({ length: count }, () => {
    const first = random.integer(12);
    const ids = Int32Array.of(1, ...Array.from({ length: 6 + random.integer(7) }, (_, index) => 2 + ((first + index) % 12)));
    return { ids, types: new Uint8Array(ids.length) };
  });
}

/** Batches of two texts, the same each time. */
export function tinyPadded(texts: readonly EncodedText[], length = 13): () => AsyncGenerator<PaddedTexts> {
  return async function* windows() {
    for (let start = 0; start < texts.length; start += 2) yield padTexts(texts.slice(start, start + 2), length, 0);
  };
}

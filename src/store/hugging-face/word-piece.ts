// The tokenizer.json that BERT's vocab.txt stands for: one word piece a line, the line's number is its id.
import { z } from 'zod';
import { AppError } from '#base';
import { checkJson, parseJson } from '../json.ts';

const configSchema = z.object({
  do_lower_case: z.boolean().default(true),
  strip_accents: z.boolean().nullish(),
  tokenize_chinese_chars: z.boolean().nullish(),
});

const specialTokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] as const;

/**
 * Builds tokenizer.json from vocab.txt and the switches of tokenizer_config.json; as transformers does, texts become lower case by default.
 *
 * @throws AppError `bad_tokenizer` naming the special token that is missing
 */
export function wordPieceTokenizer(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const lines = new TextDecoder()
    .decode(files.get('vocab.txt'))
    .replace(/\r?\n$/, '')
    .split(/\r?\n/);
  const vocab = Object.fromEntries(lines.map((piece, id) => [piece, id]));
  const idOf = (token: string): number => {
    const id = vocab[token];
    if (id === undefined)
      throw new AppError('bad_tokenizer', `vocab.txt: has no ${token}, so it is not the vocabulary of a BERT. Provide its tokenizer.json.`);
    return id;
  };
  const configBytes = files.get('tokenizer_config.json');
  const place = 'tokenizer_config.json';
  const config = checkJson(
    configSchema,
    configBytes === undefined ? {} : parseJson(configBytes, 'bad_tokenizer', place),
    'bad_tokenizer',
    place,
  );
  const special = (id: string, typeId: number) => ({ SpecialToken: { id, type_id: typeId } });
  const sequence = (id: 'A' | 'B', typeId: number) => ({ Sequence: { id, type_id: typeId } });
  const single = [special('[CLS]', 0), sequence('A', 0), special('[SEP]', 0)];
  const json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content) => ({
      id: idOf(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: config.tokenize_chinese_chars ?? true,
      strip_accents: config.strip_accents ?? null,
      lowercase: config.do_lower_case,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single,
      pair: [...single, sequence('B', 1), special('[SEP]', 1)],
      special_tokens: Object.fromEntries(
        ['[CLS]', '[SEP]'].map((token) => [token, { id: token, ids: [idOf(token)], tokens: [token] }] as const),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab },
  };
  return new TextEncoder().encode(JSON.stringify(json));
}

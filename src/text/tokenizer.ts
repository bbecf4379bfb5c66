// The tokenizer of a model: text to ids and back, its special tokens and its chat template.
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { StreamDecoder } from './stream-decoder.ts';
import { compilePieces, type DecodingTable } from './token-pieces.ts';
import { badTokenizer, isObject, type JsonObject } from './tokenizer-error.ts';
import { readJsonObject, readTokenizerFile, type TokenizerFile, tokenizerDigest } from './tokenizer-file.ts';

/** The texts (or parsed objects) of the files beside a checkpoint. */
export interface TokenizerFiles {
  readonly tokenizerJson: string | object;
  readonly tokenizerConfig?: string | object;
  /** chat_template.jinja, where the template has a file of its own. */
  readonly chatTemplate?: string;
}

export interface EncodeOptions {
  /** Put in what the post-processor asks for, for example a begin token. Prompts want it, pieces of a corpus do not. */
  readonly addSpecialTokens: boolean;
}

export interface DecodeOptions {
  readonly skipSpecialTokens: boolean;
}

/** A place in the sequence that a text or a pair becomes: a special token, or all tokens of one of the texts. */
export type LayoutItem =
  | { readonly id: number /** 0 for the first text and what belongs to it, else 1. */; readonly type: number }
  | { readonly part: 0 | 1; readonly type: number };

/** Immutable; safe to share between requests. */
export interface Tokenizer extends DecodingTable {
  /** Largest id plus one: the rows that an embedding must have at least. */
  readonly vocabularySize: number;
  /** SHA-256 of everything that decides which ids a text becomes; equal for a teacher and a student that can be compared. */
  readonly hash: string;
  readonly beginToken?: number;
  /** Ids that end a text; the first also separates documents. Empty when the files name none. */
  readonly endTokens: readonly number[];
  /** Fills batches. */
  readonly padToken?: number;
  /** Stands for a token that a masked model fills in. */
  readonly maskToken?: number;
  /** The Jinja source, kept as text. */
  readonly chatTemplate?: string;

  encode(text: string, options: EncodeOptions): Int32Array;
  /** Ids without a token add nothing; spaces are never cleaned up. */
  decode(ids: ArrayLike<number>, options: DecodeOptions): string;
  /** Where the post-processor puts special tokens around one text, or around and between a pair. */
  specialLayout(isPair: boolean): readonly LayoutItem[];
  tokenToId(token: string): number | undefined;
  idToToken(id: number): string | undefined;
}

/** The part of the package that we use; its own type declarations do not resolve under NodeNext. */
interface Encoder {
  encode(text: string, options: { add_special_tokens: boolean }): { readonly ids: readonly (number | undefined)[] };
  readonly post_processor: {
    post_process(
      tokens: string[],
      pair: string[] | null,
      addSpecialTokens: boolean,
    ): { readonly tokens: readonly string[]; readonly token_type_ids?: readonly number[] };
  } | null;
}

/**
 * Builds a tokenizer from Hugging Face files.
 *
 * @throws AppError `bad_tokenizer` with the file, the field and its value
 */
export function loadTokenizer(files: TokenizerFiles): Tokenizer {
  const file = readTokenizerFile(files.tokenizerJson);
  const config = files.tokenizerConfig === undefined ? {} : readJsonObject(files.tokenizerConfig, 'tokenizer_config.json');
  const encoder = createEncoder(file, config);
  const pieces = compilePieces(file);
  const beginToken = configuredToken(file, config, 'bos_token');
  const endToken = configuredToken(file, config, 'eos_token') ?? file.idByToken.get('<|endoftext|>');
  const padToken = file.idByToken.get(namedToken(config, 'pad_token') ?? '[PAD]');
  const maskToken = file.idByToken.get(namedToken(config, 'mask_token') ?? '') ?? usualMask(file);
  const chatTemplate = files.chatTemplate ?? readChatTemplate(config);
  const layouts = { single: layoutOf(encoder, file, false), pair: layoutOf(encoder, file, true) };
  const tokenizer: Tokenizer = {
    vocabularySize: [...file.tokenById.keys()].reduce((largest, id) => Math.max(largest, id), 0) + 1,
    hash: tokenizerDigest(file),
    ...(beginToken === undefined ? {} : { beginToken }),
    endTokens: endToken === undefined ? [] : [endToken],
    ...(maskToken === undefined ? {} : { maskToken }),
    ...(padToken === undefined ? {} : { padToken }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    specialTokens: findSpecialTokens(file, config),
    pieces,
    encode: (text, { addSpecialTokens }) => {
      const ids = encodeWith(encoder, text, addSpecialTokens);
      // A piece outside the vocabulary of a model without an unknown token has no id: it adds none, as in the native library.
      return Int32Array.from(ids.filter((id) => id !== undefined));
    },
    decode: (ids, { skipSpecialTokens }) => {
      const decoder = new StreamDecoder(tokenizer, { skipSpecialTokens });
      let text = '';
      for (let index = 0; index < ids.length; index++) text += decoder.push(ids[index] ?? -1);
      return text + decoder.end();
    },
    specialLayout: (isPair) => (isPair ? layouts.pair : layouts.single),
    tokenToId: (token) => file.idByToken.get(token),
    idToToken: (id) => file.tokenById.get(id),
  };
  return tokenizer;
}

/** Parts of a file that are wrong may show only with some text. @throws AppError `bad_tokenizer` */
function encodeWith(encoder: Encoder, text: string, addSpecialTokens: boolean): readonly (number | undefined)[] {
  try {
    return encoder.encode(text, { add_special_tokens: addSpecialTokens }).ids;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw badTokenizer(
      'tokenizer.json',
      `fails on a text of ${text.length} characters: ${reason}. Provide a working tokenizer.json.`,
      cause,
    );
  }
}

function createEncoder(file: TokenizerFile, config: JsonObject): Encoder {
  const Constructor: new (json: object, config: object) => Encoder = HuggingFaceTokenizer;
  try {
    const encoder = new Constructor(file.json, config);
    encoder.encode('a', { add_special_tokens: true }); // some unsupported parts only fail when they are first used
    return encoder;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw badTokenizer('tokenizer.json', `cannot be used: ${reason}. Provide a tokenizer.json of a supported kind.`, cause);
  }
}

/** No token of a vocabulary looks like these: they show where the post-processor puts the texts. */
const textMarks = ['\u0000first text', '\u0000second text'] as const;

function layoutOf({ post_processor: processor }: Encoder, file: TokenizerFile, isPair: boolean): LayoutItem[] {
  const [first, second] = textMarks;
  if (processor === null) return [{ part: 0, type: 0 }, ...(isPair ? [{ part: 1, type: 1 } as const] : [])];
  const { tokens, token_type_ids: types = [] } = ((): ReturnType<typeof processor.post_process> => {
    try {
      return processor.post_process([first], isPair ? [second] : null, true);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw badTokenizer('tokenizer.json: post_processor', `fails: ${reason}. Provide a working tokenizer.json.`, cause);
    }
  })();
  return tokens.map((token, index): LayoutItem => {
    const type = types[index] ?? 0;
    if (token === first) return { part: 0, type };
    if (token === second) return { part: 1, type };
    const id = file.idByToken.get(token);
    if (id === undefined) throw badTokenizer('tokenizer.json: post_processor', `adds "${token}", which is not in the vocabulary.`);
    return { id, type };
  });
}

/** The text of a token in tokenizer_config.json, written as text or as an object with `content`. */
function namedToken(config: JsonObject, field: string): string | undefined {
  const value = config[field];
  const content = isObject(value) ? value['content'] : value;
  return typeof content === 'string' ? content : undefined;
}

/** Files without a configuration: what BERT's and RoBERTa's families call it, where it is a special token. */
function usualMask({ addedTokens }: TokenizerFile): number | undefined {
  return addedTokens.find(({ content, special }) => special && (content === '[MASK]' || content === '<mask>'))?.id;
}

/** The id of a token named in tokenizer_config.json, which must be in the vocabulary. */
function configuredToken(file: TokenizerFile, config: JsonObject, field: string): number | undefined {
  const value = config[field];
  if (value === undefined || value === null) return undefined;
  const content = namedToken(config, field);
  if (content === undefined) throw badTokenizer(`tokenizer_config.json: ${field}`, 'must be a text, or an object with `content`.');
  const id = file.idByToken.get(content);
  if (id === undefined) throw badTokenizer(`tokenizer_config.json: ${field}`, `"${content}" is not in the vocabulary of tokenizer.json.`);
  return id;
}

function findSpecialTokens(file: TokenizerFile, config: JsonObject): ReadonlySet<number> {
  const special = new Set(file.addedTokens.filter((token) => token.special).map((token) => token.id));
  for (const field of ['bos_token', 'eos_token', 'unk_token', 'pad_token', 'sep_token', 'cls_token', 'mask_token']) {
    const content = namedToken(config, field);
    const id = content === undefined ? undefined : file.idByToken.get(content);
    if (id !== undefined) special.add(id);
  }
  const additional = config['additional_special_tokens'];
  for (const token of Array.isArray(additional) ? additional : []) {
    const id = typeof token === 'string' ? file.idByToken.get(token) : undefined;
    if (id !== undefined) special.add(id);
  }
  return special;
}

/** One template, or the `default` one of a list of `{ name, template }`. */
function readChatTemplate(config: JsonObject): string | undefined {
  const value = config['chat_template'];
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named = value.find((entry: unknown) => isObject(entry) && entry['name'] === 'default');
  const template: unknown = isObject(named) ? named['template'] : undefined;
  return typeof template === 'string' ? template : undefined;
}

/**
 * Builds a tokenizer from the files of a checkpoint's folder, by name.
 *
 * Reads `tokenizer.json`, `tokenizer_config.json`, `chat_template.jinja`, and `special_tokens_map.json` for what the configuration does not say.
 * @throws AppError `bad_tokenizer`
 */
export function tokenizerFromFiles(files: ReadonlyMap<string, Uint8Array>): Tokenizer {
  const read = (name: string): string | undefined => {
    const bytes = files.get(name);
    if (bytes === undefined) return undefined;
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch (cause) {
      throw badTokenizer(name, 'is not UTF-8. Download the file again.', cause);
    }
  };
  const object = (name: string): JsonObject => readJsonObject(read(name) ?? '{}', name);
  const tokenizerJson = read('tokenizer.json');
  if (tokenizerJson === undefined)
    throw badTokenizer('tokenizer.json', 'is missing. Provide the file that Hugging Face `tokenizers` writes.');
  const chatTemplate = read('chat_template.jinja');
  return loadTokenizer({
    tokenizerJson,
    tokenizerConfig: { ...object('special_tokens_map.json'), ...object('tokenizer_config.json') },
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
  });
}

// Reading and checking tokenizer.json and tokenizer_config.json before anything is built from them.
import { createHash } from 'node:crypto';
import { isNestedDeeper, mostNesting } from '#base';
import { badTokenizer, isObject, type JsonObject } from './tokenizer-error.ts';
import { checkSections } from './tokenizer-sections.ts';

/** A token that is matched in the text before the model sees it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

/** tokenizer.json after the checks: the fields that we read ourselves, and the whole for the encoder. */
export interface TokenizerFile {
  readonly json: JsonObject;
  readonly addedTokens: readonly AddedToken[];
  /** Token text by id; holes are possible. */
  readonly tokenById: ReadonlyMap<number, string>;
  readonly idByToken: ReadonlyMap<string, number>;
  readonly decoder: JsonObject | undefined;
}

/** Largest id that a file may name: far above every published vocabulary, far below what would exhaust memory. */
const maxTokenId = 4_000_000;

/** Parses text as a JSON object; an object passes through. @throws AppError `bad_tokenizer` */
export function readJsonObject(source: string | object, place: string): JsonObject {
  let value: unknown = source;
  if (typeof source === 'string') {
    try {
      value = JSON.parse(source);
    } catch (cause) {
      throw badTokenizer(place, `is not JSON (${source.length} characters). Download the file again.`, cause);
    }
  }
  if (isNestedDeeper(value)) throw badTokenizer(place, `lists and objects are nested deeper than ${mostNesting}. Download the file again.`);
  if (!isObject(value)) throw badTokenizer(place, 'must be a JSON object. Provide the file that Hugging Face `tokenizers` writes.');
  return value;
}

/**
 * Checks the parts of tokenizer.json on which encoding and decoding rely.
 *
 * @throws AppError `bad_tokenizer` with the field and its value
 */
export function readTokenizerFile(source: string | object): TokenizerFile {
  const place = 'tokenizer.json';
  const json = readJsonObject(source, place);
  const model = json['model'];
  if (!isObject(model)) throw badTokenizer(`${place}: model`, 'is missing. Provide the file that Hugging Face `tokenizers` writes.');
  const idByToken = readVocabulary(model, place);
  const addedTokens = readAddedTokens(json['added_tokens'], place);
  for (const token of addedTokens) {
    const known = idByToken.get(token.content);
    if (known !== undefined && known !== token.id)
      throw badTokenizer(`${place}: added_tokens`, `"${token.content}" has id ${token.id}, but the vocabulary gives it ${known}.`);
    idByToken.set(token.content, token.id);
  }
  const tokenById = invert(idByToken, place);
  if (idByToken.size === 0) throw badTokenizer(`${place}: model.vocab`, 'is empty. Provide the vocabulary of the model.');
  checkModel(model, idByToken, place);
  const decoder = json['decoder'] ?? undefined;
  if (decoder !== undefined && !isObject(decoder)) throw badTokenizer(`${place}: decoder`, 'must be an object or null.');
  checkSections(json, place);
  return { json: complete(json, model), addedTokens, tokenById, idByToken, decoder };
}

function readVocabulary(model: JsonObject, place: string): Map<string, number> {
  const vocabulary = model['vocab'];
  const idByToken = new Map<string, number>();
  if (Array.isArray(vocabulary)) {
    // Unigram: a list of [token, log probability]; the index is the id.
    vocabulary.forEach((entry: unknown, id) => {
      const token: unknown = Array.isArray(entry) ? entry[0] : undefined;
      if (typeof token !== 'string') throw badTokenizer(`${place}: model.vocab[${id}]`, 'must be a pair of a token and a score.');
      if (!idByToken.has(token)) idByToken.set(token, id);
    });
    return idByToken;
  }
  if (!isObject(vocabulary)) throw badTokenizer(`${place}: model.vocab`, 'is missing or not an object.');
  for (const [token, id] of Object.entries(vocabulary)) idByToken.set(token, checkId(id, `${place}: model.vocab["${token}"]`));
  return idByToken;
}

function readAddedTokens(value: unknown, place: string): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw badTokenizer(`${place}: added_tokens`, 'must be a list.');
  return value.map((entry: unknown, index) => {
    const where = `${place}: added_tokens[${index}]`;
    if (!isObject(entry)) throw badTokenizer(where, 'must be an object.');
    const content = entry['content'];
    if (typeof content !== 'string' || content === '') throw badTokenizer(`${where}.content`, 'must be a text that is not empty.');
    return { id: checkId(entry['id'], `${where}.id`), content, special: entry['special'] === true };
  });
}

function checkId(value: unknown, place: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maxTokenId) return value;
  throw badTokenizer(place, `${JSON.stringify(value)} is not a token id: expected a whole number from 0 to ${maxTokenId}.`);
}

function invert(idByToken: ReadonlyMap<string, number>, place: string): Map<number, string> {
  const tokenById = new Map<number, string>();
  for (const [token, id] of idByToken) {
    const other = tokenById.get(id);
    if (other !== undefined) throw badTokenizer(`${place}: model.vocab`, `"${other}" and "${token}" both have id ${id}.`);
    tokenById.set(id, token);
  }
  return tokenById;
}

function checkModel(model: JsonObject, idByToken: ReadonlyMap<string, number>, place: string): void {
  const type = model['type'] ?? (Array.isArray(model['vocab']) ? 'Unigram' : 'merges' in model ? 'BPE' : 'WordPiece');
  if (type !== 'BPE' && type !== 'Unigram' && type !== 'WordPiece')
    throw badTokenizer(`${place}: model.type`, `${JSON.stringify(type)} is not supported; supported are BPE, Unigram and WordPiece.`);
  const unknown = model['unk_token'];
  if (typeof unknown === 'string' && !idByToken.has(unknown))
    throw badTokenizer(`${place}: model.unk_token`, `"${unknown}" is not in the vocabulary. Add it, or set unk_token to null.`);
  if (type === 'BPE') checkMerges(model, idByToken, place);
}

function checkMerges(model: JsonObject, idByToken: ReadonlyMap<string, number>, place: string): void {
  const { merges, continuing_subword_prefix: continuing } = model;
  if (!Array.isArray(merges)) throw badTokenizer(`${place}: model.merges`, 'must be a list.');
  const prefixLength = typeof continuing === 'string' ? continuing.length : 0;
  merges.forEach((merge: unknown, index) => {
    const [left, right] = mergePair(merge, `${place}: model.merges[${index}]`);
    for (const token of [left, right, left + right.slice(prefixLength)])
      if (!idByToken.has(token)) throw badTokenizer(`${place}: model.merges[${index}]`, `"${token}" is not in the vocabulary.`);
  });
}

function mergePair(merge: unknown, place: string): readonly [string, string] {
  const parts: readonly unknown[] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : [];
  const [left, right] = parts;
  if (parts.length !== 2 || typeof left !== 'string' || typeof right !== 'string')
    throw badTokenizer(place, `${JSON.stringify(merge)} must name two tokens.`);
  return [left, right];
}

/** The encoder asks for every section to be present, and for the type of the model. */
function complete(json: JsonObject, model: JsonObject): JsonObject {
  const type = model['type'] ?? (Array.isArray(model['vocab']) ? 'Unigram' : 'merges' in model ? 'BPE' : 'WordPiece');
  const sections = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
  return { ...sections, ...json, added_tokens: json['added_tokens'] ?? [], model: { ...model, type } };
}

/**
 * A digest of everything that decides which ids a text becomes: model, added tokens, normalizer and pre-tokenizer.
 *
 * Equal digests mean that a teacher's and a student's ids mean the same. Key order, absent defaults and the two spellings of
 * merges do not change it; decoder and templates are left out because they change no id of the text itself.
 */
export function tokenizerDigest(file: TokenizerFile): string {
  const { model, normalizer, pre_tokenizer: preTokenizer } = file.json;
  const { merges, vocab, dropout: _dropout, ...settings } = isObject(model) ? model : {};
  const pairs = Array.isArray(merges) ? merges.map((merge: unknown) => mergePair(merge, 'tokenizer.json: model.merges')) : [];
  const scores = Array.isArray(vocab) ? vocab : [];
  const addedTokens = file.json['added_tokens'];
  const vocabulary = [...file.idByToken].sort(([, left], [, right]) => left - right);
  const canonical = canonicalJson({ vocabulary, scores, pairs, settings, addedTokens, normalizer, preTokenizer });
  return createHash('sha256').update(canonical).digest('hex');
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (!isObject(inner)) return inner;
    const kept = Object.entries(inner).filter(([, field]) => field !== null && field !== false && field !== '');
    return Object.fromEntries(kept.sort(([left], [right]) => (left < right ? -1 : 1)));
  });
}

// The files beside the weights that turn text into tokens: read whole, checked only against the embedding.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '#base';
import { checkJson, parseJson, readBytes } from '../json.ts';
import { wordPieceTokenizer } from './word-piece.ts';

/** Content by file name, for example `tokenizer.json`. */
export type TokenizerFiles = ReadonlyMap<string, Uint8Array>;

/** What transformers writes beside a tokenizer; everything else in a folder is left where it is. */
const knownNames: ReadonlySet<string> = new Set([
  'tokenizer.json',
  // Ours: of the sources of an encoder-decoder whose two sides have vocabularies of their own.
  'source_tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'vocab.txt',
  'tokenizer.model',
  'chat_template.jinja',
]);

/** Larger ones are no tokenizers. */
const maxFileBytes = 2 ** 28;

export function isTokenizerFile(name: string): boolean {
  return knownNames.has(name);
}

/**
 * Reads the tokenizer files of a folder. A vocab.txt without tokenizer.json is BERT's word pieces, and is made into one.
 *
 * @throws AppError `file_not_found` when there is neither, `bad_tokenizer` when a vocab.txt lacks BERT's special tokens
 */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const names = (await readdir(folder)).filter(isTokenizerFile).sort();
  if (!names.includes('tokenizer.json') && !names.includes('vocab.txt'))
    throw new AppError(
      'file_not_found',
      `tokenizer.json: not in the folder${names.length === 0 ? '' : `, which has only ${names.join(', ')}`}. ` +
        "Write it with transformers: AutoTokenizer.from_pretrained('FOLDER', use_fast=True).save_pretrained('FOLDER').",
    );
  const files = new Map<string, Uint8Array>();
  for (const name of names) files.set(name, await readBytes(join(folder, name)));
  if (!files.has('tokenizer.json')) files.set('tokenizer.json', wordPieceTokenizer(files));
  return files;
}

const id = z.int().nonnegative();

const schema = z.object({
  model: z.object({ vocab: z.union([z.record(z.string(), id), z.array(z.unknown())]) }),
  added_tokens: z.array(z.object({ id, content: z.string() })).nullish(),
});

/**
 * Checks that the embedding has a row for every token.
 *
 * Rows without a token are fine: vocabularies are often padded to a multiple of 64.
 *
 * @throws AppError `bad_tokenizer` | `tokenizer_mismatch` with the token, its id and the rows
 */
export function checkTokenizer(files: TokenizerFiles, vocabularySize: number): void {
  const bytes = files.get('tokenizer.json');
  if (bytes === undefined) return;
  if (bytes.length > maxFileBytes)
    throw new AppError(
      'bad_tokenizer',
      `tokenizer.json: ${bytes.length} bytes are more than the ${maxFileBytes} allowed. Provide a tokenizer.`,
    );
  const { model, added_tokens: added } = checkJson(
    schema,
    parseJson(bytes, 'bad_tokenizer', 'tokenizer.json'),
    'bad_tokenizer',
    'tokenizer.json',
  );
  let largest = { token: '', id: -1 };
  const see = (token: string, tokenId: number): void => {
    if (tokenId > largest.id) largest = { token, id: tokenId };
  };
  if (Array.isArray(model.vocab)) see(`entry ${model.vocab.length - 1} of the vocabulary`, model.vocab.length - 1);
  else for (const [token, tokenId] of Object.entries(model.vocab)) see(token, tokenId);
  for (const token of added ?? []) see(token.content, token.id);
  if (largest.id >= vocabularySize)
    throw new AppError(
      'tokenizer_mismatch',
      `tokenizer.json: token ${JSON.stringify(largest.token)} has id ${largest.id}, but the embedding has ${vocabularySize} rows ` +
        `(0..${vocabularySize - 1}). Use the tokenizer that the model was trained with.`,
      { details: { largestId: largest.id, vocabularySize } },
    );
}

// The text of a job as one data set: files on the server, then a small text that came with the request.
import type { OperationContext } from '#base';
import { openText, type TextSource, type TokenCorpus, type Tokenizer, textFromStrings, tokenizeCorpus } from '#text';
import type { TextData } from './specs.ts';

/** @throws AppError as `openText` and `tokenizeCorpus`: `file_not_found`, `bad_encoding`, `bad_data`, `empty_data`, … */
export async function tokenizeText(data: TextData, tokenizer: Tokenizer, context: OperationContext): Promise<TokenCorpus> {
  return tokenizeCorpus(await textSource(data), tokenizer, context);
}

/** Opens the files, so that a wrong path fails before the job is queued. @throws as `tokenizeText` */
export async function textSource({ paths, jsonlField, inlineText }: TextData): Promise<TextSource> {
  const inline = textFromStrings([inlineText], 'inlineText');
  if (paths.length === 0) return inline;
  const files = await openText(paths, jsonlField === '' ? {} : { field: jsonlField });
  return inlineText === '' ? files : joined(files, inline);
}

function joined(first: TextSource, second: TextSource): TextSource {
  return {
    paths: [...first.paths, ...second.paths],
    async *pieces(signal) {
      yield* first.pieces(signal);
      yield* second.pieces(signal);
    },
    async *documents(signal) {
      yield* first.documents(signal);
      yield* second.documents(signal);
    },
  };
}

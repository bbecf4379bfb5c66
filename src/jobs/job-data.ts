// The data of a job as its model reads it: running text, labelled texts, pairs, or lines with hidden tokens.
import { createHash } from 'node:crypto';
import { AppError, type OperationContext, throwIfCancelled } from '#base';
import { isEncoderDecoder, type ModelConfig, taskOf } from '#models';
import {
  checkLabelledFile,
  type EncodedText,
  encodeLabelled,
  type LabelledColumns,
  type LabelledRow,
  labelledFromJsonLines,
  openPairs,
  type PairOptions,
  type PairSource,
  pairsFromJsonLines,
  readLabelled,
  SentenceEncoder,
  type Tokenizer,
  tokenizePairs,
} from '#text';
import type { LabelledData, MaskedData, TrainingData } from '#train';
import type { ModelLease } from './model-hub.ts';
import type { TextData } from './specs.ts';
import { textSource, tokenizeText } from './text-data.ts';

/** With the SHA-256 of what it was read from. */
export type JobData = TrainingData & { readonly fingerprint: string };

export type DataKind = 'text' | 'labelled' | 'pairs';

export function kindOfData({ labelled, pairs }: TextData): DataKind {
  return labelled !== undefined ? 'labelled' : pairs !== undefined ? 'pairs' : 'text';
}

/** What a model of this configuration learns from and is measured on; undefined for a model of embeddings. */
function dataKindFor(config: ModelConfig): DataKind | undefined {
  if (isEncoderDecoder(config)) return 'pairs';
  const kinds = { causal: 'text', masked: 'text', classify: 'labelled', embed: undefined } as const;
  return kinds[taskOf(config).kind];
}

const kindNames: { readonly [Kind in DataKind]: string } = {
  text: 'running text',
  labelled: 'texts with labels (say in "labelled" which columns hold them)',
  pairs: 'pairs (say in "pairs" which columns hold them)',
};

/**
 * @param place - of the data in the request, for example `distill.data`
 * @throws AppError `unsupported` when the model reads data of another kind, or none
 */
export function checkDataKind(config: ModelConfig, data: TextData, place: string): void {
  const wanted = dataKindFor(config);
  const given = kindOfData(data);
  if (wanted === given) return;
  const { kind } = taskOf(config);
  const subject = `${place}: the ${config.architecture} model with the task ${kind}`;
  throw new AppError(
    'unsupported',
    wanted === undefined
      ? `${subject} answers with embeddings, which no labels are known for. Give it labels: a distill job on labelled texts does.`
      : `${subject} reads ${kindNames[wanted]}, and got ${kindNames[given]}.`,
    { details: { field: place } },
  );
}

/** Opens the files, so that a wrong path fails before the job is queued. @throws AppError as reading them */
export async function checkData(data: TextData): Promise<void> {
  const kind = kindOfData(data);
  if (kind === 'text') await textSource(data);
  else if (kind === 'pairs') await pairSource(data);
  else for (const path of data.paths) await checkLabelledFile(path);
}

/** All rows, with one second text each where the data says so. */
export async function labelledRows({ paths, inlineText, labelled }: TextData, context: OperationContext): Promise<LabelledRow[]> {
  const { text = '', secondText = '', label = '', columns = [] } = labelled ?? {};
  const wanted: LabelledColumns = {
    text: text === '' ? 'text' : text,
    label: label === '' ? 'label' : label,
    ...(secondText === '' ? {} : { pair: secondText }),
    ...(columns.length === 0 ? {} : { columns }),
  };
  const rows: LabelledRow[] = [];
  for (const path of paths) for (const row of await readLabelled(path, wanted, context.signal)) rows.push(row);
  if (inlineText !== '') rows.push(...labelledFromJsonLines(inlineText, wanted, 'inlineText'));
  return rows;
}

export async function pairSource({ paths, inlineText, pairs }: TextData): Promise<PairSource> {
  const { source = '', target = '', sourceColumn = 0, targetColumn = 1 } = pairs ?? {};
  const options: PairOptions = {
    ...(source === '' ? {} : { sourceField: source }),
    ...(target === '' ? {} : { targetField: target }),
    sourceColumn,
    targetColumn,
  };
  const sources = [
    ...(paths.length === 0 ? [] : [await openPairs(paths, options)]),
    ...(inlineText === '' ? [] : [pairsFromJsonLines(inlineText, options, 'inlineText')]),
  ];
  return {
    paths: sources.flatMap((each) => each.paths),
    async *pairs(signal) {
      for (const each of sources) yield* each.pairs(signal);
    },
  };
}

/** The tokens of labelled texts, and what they were read from. */
export async function encodeRows(
  rows: readonly LabelledRow[],
  labels: readonly string[],
  tokenizer: Tokenizer,
  maxTokens: number,
  context: OperationContext,
): Promise<LabelledData & { readonly fingerprint: string }> {
  const texts = await encodeLabelled(rows, labels, new SentenceEncoder(tokenizer, maxTokens), context);
  return { texts, fingerprint: createHash('sha256').update(JSON.stringify(rows)).digest('hex') };
}

/** Lengths in tokens. */
export interface DataLengths {
  /** Of a text or a target. */
  readonly sequenceLength: number;
  readonly sourceLength?: number;
}

/**
 * Reads what the model learns from.
 *
 * @param lengths - longer texts are cut, longer pairs left out
 * @throws AppError `bad_data` for a label that the model does not have | `bad_tokenizer` | as reading
 */
export async function readJobData(
  data: TextData,
  { tokenizer, model: { config } }: Pick<ModelLease, 'tokenizer' | 'model'>,
  { sequenceLength, sourceLength = sequenceLength }: DataLengths,
  context: OperationContext,
): Promise<JobData> {
  const task = taskOf(config);
  if (isEncoderDecoder(config))
    return await tokenizePairs(await pairSource(data), tokenizer, context, {
      maxSourceTokens: sourceLength,
      maxTargetTokens: sequenceLength,
    });
  if (task.kind === 'classify') return await encodeRows(await labelledRows(data, context), task.labels, tokenizer, sequenceLength, context);
  if (task.kind === 'masked') return await hiddenLines(data, tokenizer, sequenceLength, context);
  return await tokenizeText(data, tokenizer, context);
}

/** Every line that is not empty. @throws AppError `bad_tokenizer` | `empty_data` | as reading */
export async function hiddenLines(
  data: TextData,
  tokenizer: Tokenizer,
  sequenceLength: number,
  context: OperationContext,
): Promise<MaskedData & { readonly fingerprint: string }> {
  const encoder = new SentenceEncoder(tokenizer, sequenceLength);
  const hash = createHash('sha256');
  const lines: EncodedText[] = [];
  for await (const text of (await textSource(data)).documents(context.signal)) {
    throwIfCancelled(context.signal);
    hash.update(text).update('\0');
    for (const line of text.split('\n')) if (line.trim() !== '') lines.push(encoder.encode(line));
  }
  return {
    lines,
    masking: { maskToken: maskTokenOf(tokenizer), specialTokens: tokenizer.specialTokens },
    fingerprint: hash.digest('hex'),
  };
}

/** @throws AppError `bad_tokenizer` */
export function maskTokenOf(tokenizer: Tokenizer): number {
  if (tokenizer.maskToken !== undefined) return tokenizer.maskToken;
  throw new AppError(
    'bad_tokenizer',
    'the tokenizer names no token that stands for a hidden one. Set mask_token in tokenizer_config.json.',
  );
}

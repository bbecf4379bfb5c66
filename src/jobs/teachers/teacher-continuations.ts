// Sequence-level distillation of models that continue text: what the teacher writes behind beginnings of the data.
import { createHash } from 'node:crypto';
import { AppError, at, type OperationContext, Random } from '#base';
import { type Continuation, TeacherWriter, type WriterSettings } from '#distill';
import type { Engine } from '#engine';
import { borrowModel, type Model } from '#models';
import type { TokenCorpus } from '#text';
import { keptTargets, type TargetPlace } from './target-file.ts';

/** As a job writes them. */
export interface ContinuationFields {
  readonly beams?: number | undefined;
  readonly maxNewTokens?: number | undefined;
  readonly promptTokens?: number | undefined;
  readonly temperature?: number | undefined;
  readonly prompts?: number | undefined;
}

export interface ContinuationSettings extends WriterSettings {
  /** T: a prompt and what is written behind it take this much of the text, at most. */
  readonly sequenceLength: number;
  /** Beginnings that are continued, at most. */
  readonly prompts: number;
  readonly seed: number;
}

/** Prompts side by side. */
export const promptsPerPart = 16;
const mostPromptTokens = 32;

/**
 * Fills in defaults and checks them.
 *
 * @param examples - that the training reads; more prompts would not be used
 * @throws AppError `invalid_argument` naming the setting
 */
export function continuationSettings(
  given: ContinuationFields,
  { sequenceLength, seed, examples }: Pick<ContinuationSettings, 'sequenceLength' | 'seed'> & { readonly examples: number },
): ContinuationSettings {
  const {
    beams = 1,
    temperature,
    prompts = examples,
    promptTokens = Math.max(1, Math.min(mostPromptTokens, Math.floor(sequenceLength / 2))),
  } = given;
  const { maxNewTokens = sequenceLength - promptTokens } = given;
  const require = (holds: boolean, name: string, rule: string): void => {
    const field = `sequenceLevel.${name}`;
    if (!holds) throw new AppError('invalid_argument', `${field}: ${rule}.`, { details: { field } });
  };
  require(promptTokens <
    sequenceLength, 'promptTokens', `${promptTokens} tokens leave no room in a sequence of ${sequenceLength}. Ask for fewer, or raise sequenceLength`);
  require(promptTokens + maxNewTokens <=
    sequenceLength, 'maxNewTokens', `prompts of ${promptTokens} and ${maxNewTokens} written tokens are more than a sequence of ${sequenceLength}. Ask for fewer, or raise sequenceLength`);
  require(temperature === undefined || beams === 1, 'temperature', `draws, and ${beams} beams search. Leave one of them out`);
  return { beams, temperature, prompts, promptTokens, maxNewTokens, sequenceLength, seed };
}

/**
 * The corpus's beginnings of `sequenceLength` windows, evenly spread where there are more than `prompts`, each with what the teacher writes behind it.
 *
 * What is drawn follows from the seed and the place of the prompt, so that an attempt that goes on writes the same.
 *
 * @throws AppError `empty_data` where no window fits, as `keptTargets`, and as generating
 */
export async function teacherContinuations(
  { tokens }: TokenCorpus,
  teacher: Model,
  settings: ContinuationSettings,
  { engine, ...place }: TargetPlace & { readonly engine: Engine },
  context: OperationContext,
): Promise<Continuation[]> {
  const prompts = beginnings(tokens, settings);
  const { seed } = settings;
  const writer = new TeacherWriter(engine, teacher, settings, promptsPerPart);
  const weights = borrowModel(engine, teacher);
  try {
    const targets = await keptTargets(
      place,
      {
        count: prompts.length,
        perPart: promptsPerPart,
        make: (start, end) => {
          const random = Array.from({ length: end - start }, (_, index) => drawsOf(seed, start + index));
          return writer.write(weights, prompts.slice(start, end), random, context.signal);
        },
      },
      context,
    );
    return prompts.map((prompt, index) => ({ prompt, written: at(targets, index) }));
  } finally {
    await writer.release();
    for (const buffer of Object.values(weights)) buffer.release();
  }
}

function beginnings(tokens: Int32Array, { sequenceLength, promptTokens, prompts }: ContinuationSettings): Int32Array[] {
  const windows = Math.floor(tokens.length / sequenceLength);
  if (windows < 1)
    throw new AppError(
      'empty_data',
      `data: ${tokens.length} tokens hold no window of ${sequenceLength}. Give more text or a shorter sequenceLength.`,
    );
  const count = Math.min(windows, prompts);
  return Array.from({ length: count }, (_, index) => {
    const start = Math.floor((index * windows) / count) * sequenceLength;
    return tokens.slice(start, start + promptTokens);
  });
}

/** Neighbouring prompts draw unlike tokens. */
function drawsOf(seed: number, prompt: number): Random {
  return new Random(createHash('sha256').update(`continuation ${seed} ${prompt}`).digest().readUInt32LE(0));
}

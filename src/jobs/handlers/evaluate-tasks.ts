// Evaluations of models that do not continue text: classifiers on labelled texts, encoder-decoders on pairs, others on lines with hidden tokens.
import { createHash } from 'node:crypto';
import { AppError, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { defaultHiddenShare, evaluateClassifier, evaluateMasked, evaluatePairs, evaluateSequences } from '#evaluate';
import { parameterCounts, taskOf, textPositions } from '#models';
import { pairsFromTexts, type TextPair, tokenizePairs } from '#text';
import { encodeRows, hiddenLines, labelledRows, pairSource } from '../job-data.ts';
import type { ModelLease } from '../model-hub.ts';
import type { EvaluationReport } from '../results.ts';
import type { EvaluateSpec, TextData } from '../specs.ts';

/** What is measured. */
export interface EvaluationSubject {
  readonly student: ModelLease;
  readonly teacher: ModelLease | undefined;
  readonly settings: EvaluateSpec['settings'];
}

/** What every report has; of text alone there are bits per byte. */
function commonReport({ student, teacher }: EvaluationSubject, engine: Engine) {
  const { logical, stored, storedBytes } = parameterCounts(student.model);
  return {
    model: student.reference,
    teacher: teacher?.reference ?? '',
    scoredBytes: 0,
    bitsPerByte: 0,
    logicalParameters: logical,
    storedParameters: stored,
    storedBytes,
    residentBytes: 0,
    latencies: [],
    engine: `${engine.name} on ${engine.device}`,
    ...(teacher === undefined ? {} : { teacherStoredBytes: parameterCounts(teacher.model).storedBytes }),
  };
}

/** @throws AppError `unsupported` for a teacher with other labels, and as `evaluateClassifier` */
export async function reportOnLabels(
  data: TextData,
  subject: EvaluationSubject,
  engine: Engine,
  context: OperationContext,
): Promise<EvaluationReport> {
  const { student, teacher, settings } = subject;
  const { maxRows = Number.POSITIVE_INFINITY, batchSize, window } = settings;
  const labels = labelsOf(student);
  if (teacher !== undefined && labelsOf(teacher).join('\n') !== labels.join('\n'))
    throw new AppError(
      'unsupported',
      `evaluate.teacher: its labels (${labelsOf(teacher).join(', ')}) are not those of the model (${labels.join(', ')}). Compare classifiers with the same labels.`,
      { details: { field: 'evaluate.teacher' } },
    );
  const rows = (await labelledRows(data, context)).slice(0, maxRows);
  const positions = Math.min(...[student, ...(teacher === undefined ? [] : [teacher])].map(({ model }) => textPositions(model.config)));
  const longest = Math.min(window ?? positions, positions);
  const { texts, fingerprint } = await encodeRows(rows, labels, student.tokenizer, longest, context);
  const request = { texts, ...(batchSize === undefined ? {} : { batch: batchSize }) };
  const { examples, accuracy, f1, macroF1, matthews, lossNats, confusion } = await evaluateClassifier(
    student.model,
    request,
    engine,
    context,
  );
  const taught = teacher === undefined ? undefined : await evaluateClassifier(teacher.model, request, engine, context);
  return {
    ...commonReport(subject, engine),
    protocol: `labelled texts of at most ${longest} tokens, each once`,
    dataFingerprint: fingerprint,
    scoredTokens: examples,
    loss: lossNats,
    tokenPerplexity: Math.exp(lossNats),
    accuracy,
    classification: { examples, f1, macroF1, matthews, labels, confusion: confusion.flat() },
    ...(taught === undefined ? {} : { teacherAccuracy: taught.accuracy }),
  };
}

function labelsOf({ model }: ModelLease): readonly string[] {
  const task = taskOf(model.config);
  return task.kind === 'classify' ? task.labels : [];
}

/**
 * Model and teacher are asked for the same tokens.
 *
 * @throws AppError `unsupported` for a teacher that guesses no hidden tokens, and as `evaluateMasked`
 */
export async function reportOnHidden(
  data: TextData,
  subject: EvaluationSubject,
  engine: Engine,
  context: OperationContext,
): Promise<EvaluationReport> {
  const { student, teacher, settings } = subject;
  const { maxRows, batchSize, window, hiddenShare: share = defaultHiddenShare, hiddenSeed: seed = 0 } = settings;
  if (teacher !== undefined && taskOf(teacher.model.config).kind !== 'masked')
    throw new AppError('unsupported', 'evaluate.teacher: it guesses no hidden tokens. Compare with a model of the same task.', {
      details: { field: 'evaluate.teacher' },
    });
  const positions = Math.min(student.model.config.maxPositions, teacher?.model.config.maxPositions ?? Number.POSITIVE_INFINITY);
  const longest = Math.min(window ?? positions, positions);
  const { lines, masking, fingerprint } = await hiddenLines(data, student.tokenizer, longest, context);
  const request = { lines: lines.slice(0, maxRows), masking, share, seed, ...(batchSize === undefined ? {} : { batch: batchSize }) };
  const measured = await evaluateMasked(student.model, request, engine, context);
  const taught = teacher === undefined ? undefined : await evaluateMasked(teacher.model, request, engine, context);
  const hidden = share === 0 ? 'every token hidden by itself' : `${100 * share} % of a line's tokens hidden, seed ${seed}`;
  return {
    ...commonReport(subject, engine),
    protocol: `lines of at most ${longest} tokens, ${hidden}`,
    dataFingerprint: fingerprint,
    scoredTokens: measured.hiddenTokens,
    loss: measured.lossNats,
    tokenPerplexity: measured.pseudoPerplexity,
    accuracy: measured.accuracy,
    hiddenTokens: { lines: measured.lines, hiddenTokens: measured.hiddenTokens, share, seed, pseudoPerplexity: measured.pseudoPerplexity },
    ...(taught === undefined ? {} : { teacherAccuracy: taught.accuracy, teacherTokenPerplexity: taught.pseudoPerplexity }),
  };
}

/** @throws AppError `unsupported` with a teacher, and as `evaluateSequences` */
export async function reportOnPairs(
  data: TextData,
  subject: EvaluationSubject,
  engine: Engine,
  context: OperationContext,
): Promise<EvaluationReport> {
  const { student, teacher, settings } = subject;
  if (teacher !== undefined)
    throw new AppError('unsupported', 'evaluate.teacher: targets are compared with the right ones. Evaluate the teacher by itself.', {
      details: { field: 'evaluate.teacher' },
    });
  const { maxRows = Number.POSITIVE_INFINITY, batchSize, beams, maxNewTokens } = settings;
  const { model, tokenizer } = student;
  const texts: TextPair[] = [];
  for await (const pair of (await pairSource(data)).pairs(context.signal)) {
    if (texts.length >= maxRows) break;
    texts.push(pair);
  }
  const pairs = pairsFromTexts(texts);
  const longest = model.config.maxPositions;
  const corpus = await tokenizePairs(pairs, tokenizer, context, { maxSourceTokens: longest, maxTargetTokens: longest });
  const { lossNats, accuracy, tokens } = await evaluatePairs(model, corpus, engine, context);
  const generation = {
    maxTokens: Math.min(maxNewTokens ?? defaultNewTokens, longest),
    ...(beams === undefined ? {} : { beams }),
    ...(batchSize === undefined ? {} : { batchSize }),
  };
  const found = await evaluateSequences({ model, tokenizer, pairs, generation }, engine, context);
  return {
    ...commonReport(subject, engine),
    protocol: `targets of at most ${generation.maxTokens} tokens by ${beams ?? 1} ${(beams ?? 1) === 1 ? 'beam' : 'beams'}; loss with the right target in front`,
    dataFingerprint: createHash('sha256').update(JSON.stringify(texts)).digest('hex'),
    scoredTokens: tokens,
    loss: lossNats,
    tokenPerplexity: Math.exp(lossNats),
    accuracy,
    sequences: {
      sources: found.numSources,
      sourcesCut: found.numCut,
      bleu: found.bleu.score,
      rouge1: found.rouge.rouge1.fMeasure,
      rouge2: found.rouge.rouge2.fMeasure,
      rougeL: found.rouge.rougeL.fMeasure,
      exactMatch: found.exactMatch,
      generatedTokens: found.generatedTokens,
      seconds: found.seconds,
    },
  };
}

const defaultNewTokens = 128;

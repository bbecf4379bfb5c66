// What is measured of a model while and after it trains, by what it learns from.
import type { OperationContext } from '#base';
import type { Engine } from '#engine';
import { evaluateClassifier, evaluateMasked, evaluateModel, evaluatePairs } from '#evaluate';
import type { Model } from '#models';
import type { JobData } from './job-data.ts';

export interface MeasuredModels {
  readonly model: Model;
  readonly teacher: Model | undefined;
}

/**
 * A few figures by name.
 *
 * @throws AppError as measuring
 */
export async function measureModel(
  { model, teacher }: MeasuredModels,
  data: JobData,
  engine: Engine,
  context: OperationContext,
): Promise<Record<string, number>> {
  if ('texts' in data) {
    const { accuracy, f1, matthews, lossNats } = await evaluateClassifier(model, data, engine, context);
    return { accuracy, f1, matthews, lossNats };
  }
  if ('pairs' in data) {
    const { lossNats, accuracy } = await evaluatePairs(model, data, engine, context);
    return { lossNats, accuracy };
  }
  if ('lines' in data) {
    // The training loss is of other tokens in every epoch; these are the same each time.
    const { lossNats, pseudoPerplexity, accuracy } = await evaluateMasked(model, data, engine, context);
    return { lossNats, pseudoPerplexity, accuracy };
  }
  const result = await evaluateModel(model, { corpus: data, ...(teacher === undefined ? {} : { teacher }) }, engine, context);
  return {
    bitsPerByte: result.bitsPerByte,
    tokenPerplexity: result.tokenPerplexity,
    ...(result.teacher === undefined
      ? {}
      : {
          teacherBitsPerByte: result.teacher.bitsPerByte,
          top1Agreement: result.teacher.topTokenAgreement,
          teacherKl: result.teacher.divergenceNats,
        }),
  };
}

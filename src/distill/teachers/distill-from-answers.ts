// Distillation of a student whose teacher is elsewhere: its answers come with every batch.
import type { OperationContext } from '#base';
import type { Engine } from '#engine';
import {
  checkTrainingData,
  hiddenTokensOf,
  openBatches,
  type TrainingData,
  type TrainRequest,
  type TrainResult,
  trainOnBatches,
} from '#train';
import type { DistillSettings } from '../distill-model.ts';
import { refuseTeacherProducts } from '../teacher-products.ts';
import { answerObjective } from './answer-objective.ts';
import { checkForm } from './answers.ts';
import { choicesOf } from './teacher-program.ts';
import { TaughtBatches, type TeacherSource } from './teacher-source.ts';

export interface AnsweredRequest extends Omit<TrainRequest, 'corpus' | 'objective' | 'settings' | 'lengths'> {
  readonly corpus: TrainingData;
  readonly settings: DistillSettings;
  /** Asked about every batch, at the temperature of the settings. */
  readonly teacher: TeacherSource;
}

/**
 * Trains the student against answers that a source hands over.
 *
 * A run that goes on from a checkpoint asks for the same batches again, so that it ends with the same weights as long as the source answers alike.
 *
 * @throws AppError as `trainModel`, and those of the source; after `teacher_unavailable` a checkpoint was saved
 */
export async function distillFromAnswers(request: AnsweredRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const { corpus, settings, teacher, ...rest } = request;
  refuseTeacherProducts(settings.teacherProducts);
  checkTrainingData(rest.model, corpus);
  checkForm(teacher.form, choicesOf(rest.model), 'topK');
  const objective = answerObjective(settings, teacher.form, hiddenTokensOf(corpus, settings));
  const sources: TaughtBatches[] = [];
  try {
    return await trainOnBatches(
      {
        ...rest,
        objective,
        settings,
        batches: (cursor) => {
          const source = new TaughtBatches(openBatches(rest.model, corpus, settings, cursor), teacher);
          sources.push(source);
          return source;
        },
      },
      engine,
      context,
    );
  } finally {
    for (const source of sources) source.end();
  }
}

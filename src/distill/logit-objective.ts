// The short form of a distillation: the data's labels and one teacher's logits.
import type { Engine } from '#engine';
import type { Model } from '#models';
import { distillationObjective, type TeacherObjective } from './losses/objective.ts';
import { shortForm } from './losses/short-form.ts';

export interface LogitDistillation {
  /** T: both distributions are softened by it; the KL term is multiplied by T² so that its gradient keeps its size. */
  readonly temperature: number;
  /** Weight of the KL term; 1 - α is the weight of cross-entropy with the data. */
  readonly alpha: number;
}

/**
 * (1-α)·CE(labels) + α·T²·KL(softmax(t/T) ‖ softmax(s/T)), both as means over what the student's task asks: next tokens or hidden ones, over the full
 * vocabulary, or labels of texts.
 *
 * @param hiddenTokens - for students that guess hidden tokens: how many there are in a batch of this length of sequences
 * @see Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, §2
 */
export function logitObjective(
  engine: Engine,
  teacher: Model,
  settings: LogitDistillation,
  hiddenTokens?: (length: number) => number,
): TeacherObjective {
  // Logits do not depend on the student: one of the teacher's own shape plans the same.
  return distillationObjective(engine, {
    student: teacher,
    teachers: [{ model: teacher, weight: 1 }],
    losses: shortForm(settings),
    hiddenTokens,
  });
}

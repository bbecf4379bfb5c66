// distill: students learn from teachers that are resident in the same process.
export {
  asTaught,
  checkSameAnswers,
  type DistillRequest,
  type DistillSettings,
  defaultDistillation,
  distillModel,
  distillSettings,
  type LossOptions,
  teachingObjective,
} from './distill-model.ts';
export { type LogitDistillation, logitObjective } from './logit-objective.ts';
export { type Divergence, divergenceRows, teachersAsOne } from './losses/divergence.ts';
export {
  distillationObjective,
  type ObjectiveRequest,
  type TeacherObjective,
  teacherPrefix,
  type WeightedTeacher,
} from './losses/objective.ts';
export { lossesOnSamples } from './losses/own-samples.ts';
export { shortForm } from './losses/short-form.ts';
export { type AnswerLoss, answerInputs, answerObjective } from './teachers/answer-objective.ts';
export {
  type AnswerForm,
  checkForm,
  copyRows,
  emptyAnswers,
  type FullAnswers,
  fullAnswers,
  joinAnswers,
  lowestLog,
  rowsOf,
  type TeacherAnswers,
  type TopAnswers,
  topAnswers,
} from './teachers/answers.ts';
export { type AnsweredRequest, distillFromAnswers } from './teachers/distill-from-answers.ts';
export { type ContinuationRequest, distillFromContinuations } from './teachers/distill-from-continuations.ts';
export { checkPolicyGradient, distillOnPolicy, type OnPolicyRequest } from './teachers/distill-on-policy.ts';
export {
  type Continuing,
  defaultOnPolicy,
  isOwnStep,
  OnPolicyBatches,
  type OnPolicySettings,
  onPolicySettings,
} from './teachers/on-policy.ts';
export { outcomesOf } from './teachers/outcomes.ts';
export { StudentSampler } from './teachers/student-sampler.ts';
export { choicesOf, TeacherProgram } from './teachers/teacher-program.ts';
export { TaughtBatches, type TeacherSource } from './teachers/teacher-source.ts';
export { TeacherWriter, type WriterSettings } from './teachers/teacher-writer.ts';
export type { Continuation } from './written-tokens.ts';

// distill: students learn from teachers that are resident in the same process.
export {
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
export { type DistillationLoss, type LossFields, lossFields, teacherSchema } from './losses/settings.ts';

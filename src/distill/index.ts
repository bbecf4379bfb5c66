// distill: students learn from teachers that are resident in the same process.
export { type DistillRequest, type DistillSettings, defaultDistillation, distillModel, distillSettings } from './distill-model.ts';
export { type LogitDistillation, logitObjective, type TeacherObjective, teacherPrefix } from './logit-objective.ts';

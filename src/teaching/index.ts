// teaching: what trainings learn and from whom, as recipes and requests write it.
export {
  countsEver,
  type DistillationLoss,
  type LayerMap,
  type LossFields,
  type LossKind,
  type LossOf,
  type LossWeight,
  lossFields,
} from './losses.ts';
export {
  checkTeaching,
  lossFault,
  type MethodTraining,
  methodTraining,
  methodTrainingFields,
  productsElsewhere,
  statesOfTeacher,
  type TeachingFault,
  type TrainingRules,
} from './method-training.ts';
export {
  aloneUnlessTaught,
  isRemote,
  noTeacher,
  type RemoteAddress,
  remoteAddress,
  type TeacherElsewhere,
  type TeacherSettings,
  teacherElsewhere,
  teacherSchema,
  teachersNamed,
} from './teachers.ts';
export { type TrainingSettings, trainingFields } from './training-fields.ts';

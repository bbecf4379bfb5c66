// The training inside a step of a recipe: its fields, what they mean together, and which of them a step may refuse.
import { z } from 'zod';
import { type LossFields, type LossKind, lossFields } from './losses.ts';
import { noTeacher, saysWhoTeaches, type TeacherSettings, teacherElsewhere, teacherFault, teacherFields } from './teachers.ts';
import { type TrainingSettings, trainingFields } from './training-fields.ts';

/** All fields of such a training. */
export const methodTrainingFields = { ...trainingFields, ...lossFields, ...teacherFields };

export type MethodTraining = TrainingSettings & LossFields & TeacherSettings;

/** What is wrong with settings, and the field at fault, with dots and from 0 in lists. */
export interface TeachingFault {
  readonly field: string;
  /** Goes behind the field. */
  readonly message: string;
}

/** What is wrong with the losses of these settings together. */
export function lossFault(
  { losses, temperature, alpha, balance, balanceEvery, teacherProducts }: TrainingSettings & LossFields,
  hasTeacher: boolean,
): TeachingFault | undefined {
  if (teacherProducts !== undefined && !hasTeacher) return { field: 'teacherProducts', message: 'is of a teacher, and there is none' };
  if (losses === undefined) {
    const field = balance === undefined ? (balanceEvery === undefined ? undefined : 'balanceEvery') : 'balance';
    return field === undefined ? undefined : { field, message: 'goes with a list of losses, and there is none' };
  }
  const short = temperature === undefined ? (alpha === undefined ? undefined : 'alpha') : 'temperature';
  if (short !== undefined)
    return { field: short, message: 'is of the short form; with "losses" it stands in the loss "logits", or in the weights' };
  const index = hasTeacher ? -1 : losses.findIndex(({ kind }) => kind !== 'labels');
  if (index >= 0)
    return {
      field: `losses.${index}.kind`,
      message: `"${losses[index]?.kind}" compares with a teacher, and there is none. Name a teacher, or keep "labels" alone`,
    };
  if (balance === undefined && balanceEvery !== undefined) return { field: 'balanceEvery', message: 'goes with balance: gradientNorm' };
  return undefined;
}

/** What a step says of the training inside it. */
export interface TrainingRules {
  /** The data alone teaches unless a teacher is named. @default false: the model that the recipe started from teaches */
  readonly alone?: boolean;
  /** Kinds of losses that have no meaning there. */
  readonly without?: readonly LossKind[];
  /** Whether there is a state that all terms depend on in every step, at which `balance` looks. @default true */
  readonly balances?: boolean;
  /** Why, for messages, and what to use. */
  readonly why?: string;
}

/** Why a teacher elsewhere gives no losses but its answers. */
export const statesOfTeacher = 'need a teacher on this server, whose states they read. With other teachers use "temperature" and "alpha"';

/** Why a teacher elsewhere is not asked to compute in another way. */
export const productsElsewhere = 'is of teachers on this server: others compute as their server does. Leave it out';

/** What is wrong with a training, by the rules of its step. */
function teachingFault(
  training: MethodTraining,
  { alone = false, without = [], balances = true, why = '' }: TrainingRules,
): TeachingFault | undefined {
  const { teacher, losses = [] } = training;
  const hasTeacher = saysWhoTeaches(training) ? teacher !== noTeacher : !alone;
  const fault = teacherFault(training) ?? lossFault(training, hasTeacher);
  if (fault !== undefined) return fault;
  if (training.losses !== undefined && teacherElsewhere(training) !== undefined) return { field: 'losses', message: statesOfTeacher };
  if (training.teacherProducts !== undefined && teacherElsewhere(training) !== undefined)
    return { field: 'teacherProducts', message: productsElsewhere };
  if (training.balance !== undefined && !balances) return { field: 'balance', message: `has no meaning here: ${why}` };
  const index = losses.findIndex(({ kind }) => without.includes(kind));
  return index < 0 ? undefined : { field: `losses.${index}.kind`, message: `"${losses[index]?.kind}" has no meaning here: ${why}` };
}

/** A check for schemas that have the fields of a training. @param at - of the training in the value, where it is not the value itself */
export function checkTeaching<Value>(
  trainingOf: (value: Value) => MethodTraining,
  rules: TrainingRules | ((value: Value) => TrainingRules) = {},
  at: readonly string[] = [],
): (context: z.core.ParsePayload<Value>) => void {
  return ({ value, issues }) => {
    const fault = teachingFault(trainingOf(value), typeof rules === 'function' ? rules(value) : rules);
    if (fault === undefined) return;
    const path = fault.field.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part));
    issues.push({ code: 'custom', message: fault.message, path: [...at, ...path], input: value });
  };
}

/** Schema of the field `training`. */
export function methodTraining(rules: TrainingRules = {}): z.ZodType<MethodTraining> {
  return z.strictObject(methodTrainingFields).check(checkTeaching((training: MethodTraining) => training, rules));
}

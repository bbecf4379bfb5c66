// Who teaches, as recipes and requests name it.
import { z } from 'zod';
import { AppError } from '#base';

/** One of several teachers. */
export const teacherSchema = z.strictObject({
  /** A stored model. */
  model: z.string('must name a model').min(1, 'must name a model'),
  /** Only its share in the sum of the weights matters. */
  weight: z.number('must be a number').positive('must be above 0').default(1),
});

/** Name in `teacher` of a training on the data alone. */
export const noTeacher = 'none';

const remoteScheme = 'athanor://';

/** Whether a teacher is named as one on another server: `athanor://host:port/model`. */
export function isRemote(teacher: string): boolean {
  return teacher.startsWith(remoteScheme);
}

/** `athanor://host:port/model` in parts. */
export interface RemoteAddress {
  /** `host:port` */
  readonly target: string;
  /** `name` or `name@version` */
  readonly model: string;
}

/** @throws AppError `invalid_argument` */
export function remoteAddress(teacher: string, place: string): RemoteAddress {
  const [, target, model] = remotePattern.exec(teacher) ?? [];
  if (target !== undefined && model !== undefined) return { target, model };
  throw new AppError('invalid_argument', `${place}: a teacher on another server is "athanor://host:port/model", got "${teacher}".`, {
    details: { field: place },
  });
}

const remotePattern = /^athanor:\/\/([^/\s]+:\d{1,5})\/([^/\s]+)$/;

/** Who teaches in a training inside a recipe. */
export const teacherFields = {
  /** A stored model, `athanor://host:port/model`, `none` for the data alone, or absent for what the step learns from by itself. */
  teacher: z.string().min(1).optional(),
  /** In place of one teacher. */
  teachers: z.array(teacherSchema).min(1, 'must name a teacher').optional(),
  /** Answers that a teacher on another server sends of each row; all when absent. */
  teacherTopK: z.int().positive().optional(),
  /** Folder of a recorded teacher, in place of one. */
  recording: z.string().min(1, 'must name a folder on the server').optional(),
};

export type TeacherSettings = z.infer<z.ZodObject<typeof teacherFields>>;

/** Whether these settings say who teaches, nobody included. */
export function saysWhoTeaches({ teacher, teachers, recording }: TeacherSettings): boolean {
  return (teacher ?? teachers ?? recording) !== undefined;
}

/** Stored models that a training learns from. */
export function teachersNamed({ teacher, teachers = [] }: TeacherSettings): readonly string[] {
  const isStored = teacher !== undefined && teacher !== noTeacher && !isRemote(teacher);
  return [...(isStored ? [teacher] : []), ...teachers.map(({ model }) => model)];
}

/** A teacher that is not in this process: it is asked batch by batch, or was asked once. */
export type TeacherElsewhere =
  | { readonly kind: 'remote'; readonly teacher: string; readonly topK: number | undefined }
  | { readonly kind: 'recorded'; readonly recording: string };

export function teacherElsewhere({ teacher = '', teacherTopK, recording }: TeacherSettings): TeacherElsewhere | undefined {
  if (recording !== undefined) return { kind: 'recorded', recording };
  return isRemote(teacher) ? { kind: 'remote', teacher, topK: teacherTopK } : undefined;
}

/** What is wrong with who teaches, and the field at fault. */
export function teacherFault(settings: TeacherSettings): { readonly field: string; readonly message: string } | undefined {
  const { teacher, teachers = [], teacherTopK, recording } = settings;
  if (teacher !== undefined && settings.teachers !== undefined)
    return { field: 'teachers', message: 'cannot stand beside "teacher": one of the two' };
  if (recording !== undefined && (teacher ?? settings.teachers) !== undefined)
    return { field: 'recording', message: 'give a recording or a teacher, not both' };
  if (teacher !== undefined && isRemote(teacher) && !remotePattern.test(teacher))
    return { field: 'teacher', message: `a teacher on another server is "athanor://host:port/model", got "${teacher}"` };
  const far = teachers.findIndex(({ model }) => isRemote(model));
  if (far >= 0)
    return {
      field: `teachers.${far}.model`,
      message: 'several must all be models of this server. Give one "teacher" elsewhere, or one recording',
    };
  if (teacherTopK !== undefined && !isRemote(teacher ?? ''))
    return { field: 'teacherTopK', message: 'is for a teacher on another server ("athanor://host:port/model")' };
  return undefined;
}

/** The data alone teaches where these settings do not say who does. */
export function aloneUnlessTaught<Settings extends TeacherSettings>(settings: Settings): Settings {
  return saysWhoTeaches(settings) ? settings : { ...settings, teacher: noTeacher };
}

// Who teaches, as recipes and requests name it.
import { z } from 'zod';

/** One of several teachers. */
export const teacherSchema = z.strictObject({
  /** A stored model. */
  model: z.string('must name a model').min(1, 'must name a model'),
  /** Only its share in the sum of the weights matters. */
  weight: z.number('must be a number').positive('must be above 0').default(1),
});

/** Name in `teacher` of a training on the data alone. */
export const noTeacher = 'none';

/** Who teaches in a training inside a recipe. */
export const teacherFields = {
  /** A stored model, `none` for the data alone, or absent for what the step learns from by itself. */
  teacher: z.string().min(1).optional(),
  /** In place of one teacher. */
  teachers: z.array(teacherSchema).min(1, 'must name a teacher').optional(),
};

export type TeacherSettings = z.infer<z.ZodObject<typeof teacherFields>>;

/** Whether these settings say who teaches, nobody included. */
export function saysWhoTeaches({ teacher, teachers }: TeacherSettings): boolean {
  return (teacher ?? teachers) !== undefined;
}

/** Stored models that a training learns from. */
export function teachersNamed({ teacher, teachers = [] }: TeacherSettings): readonly string[] {
  return [...(teacher === undefined || teacher === noTeacher ? [] : [teacher]), ...teachers.map(({ model }) => model)];
}

/** The data alone teaches where these settings do not say who does. */
export function aloneUnlessTaught<Settings extends TeacherSettings>(settings: Settings): Settings {
  return saysWhoTeaches(settings) ? settings : { ...settings, teacher: noTeacher };
}

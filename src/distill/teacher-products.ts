// How resident teachers multiply: their frozen matrices may be rounded to 8-bit integers once, before a training begins.
import { AppError } from '#base';
import type { Engine } from '#engine';
import { int8Form } from '#models';
import { checkProducts } from '#train';
import type { WeightedTeacher } from './losses/objective.ts';

/** `int8`: matrices with a scale for each output, activations rounded to the range of each batch. */
export type TeacherProducts = 'int8';

/**
 * The teachers as they stand in the student's graph.
 *
 * @throws AppError `unsupported` where products of floats are as fast
 */
export async function teachersAsAsked(
  engine: Engine,
  teachers: readonly WeightedTeacher[],
  products: TeacherProducts | undefined,
): Promise<readonly WeightedTeacher[]> {
  if (products === undefined) return teachers;
  checkProducts(engine, products, 'teacherProducts');
  const rounded: WeightedTeacher[] = [];
  for (const { model, weight } of teachers) rounded.push({ model: (await int8Form(model, 'all')).model, weight });
  return rounded;
}

/** @throws AppError `invalid_argument` where the teacher computes elsewhere */
export function refuseTeacherProducts(products: TeacherProducts | undefined): void {
  if (products === undefined) return;
  throw new AppError('invalid_argument', 'teacherProducts: is of teachers on this server, and this one computes elsewhere. Leave it out.', {
    details: { field: 'teacherProducts' },
  });
}

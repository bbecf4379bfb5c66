// The trainings of a recipe, and what can be said about them before its job is queued.
import type { Recipe, RecipeStep } from '#compress';
import type { Engine } from '#engine';
import type { MethodTraining } from '#teaching';
import { checkProducts } from '#train';

export interface NamedTraining {
  /** In the recipe, for example `steps[1].qat.training`. */
  readonly place: string;
  readonly training: MethodTraining;
}

/** In the order of the steps; those of steps inside a step stand at its place. */
export function trainingsOf({ steps }: Pick<Recipe, 'steps'>): readonly NamedTraining[] {
  const of = ({ training, settings }: RecipeStep, place: string): NamedTraining[] =>
    training === undefined ? [] : [{ place: training === settings ? place : `${place}.training`, training }];
  return steps.flatMap((step, index) => {
    const place = `steps[${index}].${step.method}`;
    return [step, ...(step.nested ?? [])].flatMap((each) => of(each, each === step ? place : `${place}.${each.method}`));
  });
}

/** @throws AppError `unsupported` where the device has no fast products in integers */
export function checkProductsOf(
  engine: Engine,
  { products, teacherProducts }: Pick<MethodTraining, 'products' | 'teacherProducts'>,
  place: string,
): void {
  checkProducts(engine, products, `${place}.products`);
  checkProducts(engine, teacherProducts, `${place}.teacherProducts`);
}

// Runs the steps of a recipe on a model, one after the other.
import { AppError, type OperationContext, throwIfCancelled } from '#base';
import { type Model, parameterCounts, sharedUsers } from '#models';
import type { CompressionEnvironment, MethodReport } from './method.ts';
import type { Recipe } from './recipe.ts';

export interface CompressionReport {
  readonly steps: readonly MethodReport[];
  /** Stored bytes of the whole model; every tensor counts once. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

/** What all steps may use, and what each has of its own. */
export interface RecipeEnvironment extends Omit<CompressionEnvironment, 'memory' | 'training' | 'errorsBefore'> {
  /** Of the step at this place of the recipe, from 0. */
  ofStep?(index: number): Pick<CompressionEnvironment, 'memory' | 'training'>;
}

/**
 * Applies all steps; each sees the model that the one before it made, and calibrates on that model.
 *
 * @throws AppError `cancelled` and those of the methods, which name the step; the model given stays as it is
 */
export async function compressModel(
  model: Model,
  recipe: Recipe,
  environment: RecipeEnvironment,
  context: OperationContext,
): Promise<{ model: Model; report: CompressionReport }> {
  const { ofStep, ...shared } = environment;
  const seeded = recipe.seed === undefined ? shared : { ...shared, seed: recipe.seed };
  const steps: MethodReport[] = [];
  const errorsBefore = new Map<string, number>();
  let current = model;
  for (const [index, step] of recipe.steps.entries()) {
    throwIfCancelled(context.signal);
    const own = { ...seeded, ...ofStep?.(index), errorsBefore: new Map(errorsBefore) };
    const result = await step.apply(current, own, context).catch((thrown: unknown) => {
      throw ofStepAt(index, thrown);
    });
    current = result.model;
    steps.push(withUses(result.report, current));
    // A layer that a step left as it was keeps what it had lost before.
    for (const { path, weightError } of result.report.layers) if (weightError > 0) errorsBefore.set(path, weightError);
  }
  const bytesBefore = parameterCounts(model).storedBytes;
  return { model: current, report: { steps, bytesBefore, bytesAfter: parameterCounts(current).storedBytes } };
}

/** The error of a method with its place in the recipe. Defects and cancellations stay as they are. */
function ofStepAt(index: number, thrown: unknown): unknown {
  if (!(thrown instanceof AppError) || thrown.code === 'cancelled' || thrown.code === 'internal') return thrown;
  const message = thrown.message.slice(`[${thrown.code}] `.length);
  return new AppError(thrown.code, `steps[${index}]: ${message}`, { details: { step: index, ...thrown.details }, cause: thrown });
}

/** Says of every matrix that several layers share which other layers a step changed with it. */
function withUses(report: MethodReport, model: Model): MethodReport {
  const users = sharedUsers(model);
  const layers = report.layers.map((layer) => {
    const others = users.get(layer.path);
    if (others === undefined) return layer;
    const uses = `is ${others.join(', ')} too`;
    return { ...layer, note: layer.note === undefined ? uses : `${layer.note}; ${uses}` };
  });
  return { ...report, layers };
}

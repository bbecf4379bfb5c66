// Runs the steps of a recipe on a model, one after the other.
import { type OperationContext, throwIfCancelled } from '#base';
import { type Model, parameterCounts, sharedUsers } from '#models';
import type { CompressionEnvironment, MethodReport } from './method.ts';
import type { Recipe } from './recipe.ts';

export interface CompressionReport {
  readonly steps: readonly MethodReport[];
  /** Stored bytes of the whole model; every tensor counts once. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

/**
 * Applies all steps; each sees the model that the one before it made, and calibrates on that model.
 *
 * @throws AppError `cancelled` and those of the methods; the model given stays as it is
 */
export async function compressModel(
  model: Model,
  recipe: Recipe,
  environment: CompressionEnvironment,
  context: OperationContext,
): Promise<{ model: Model; report: CompressionReport }> {
  const seeded = recipe.seed === undefined ? environment : { ...environment, seed: recipe.seed };
  const steps: MethodReport[] = [];
  let current = model;
  for (const step of recipe.steps) {
    throwIfCancelled(context.signal);
    const result = await step.apply(current, seeded, context);
    current = result.model;
    steps.push(withUses(result.report, current));
  }
  const bytesBefore = parameterCounts(model).storedBytes;
  return { model: current, report: { steps, bytesBefore, bytesAfter: parameterCounts(current).storedBytes } };
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

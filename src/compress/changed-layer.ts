// What a step that trains did to one parameter, from the models before and after.
import { invariant } from '#base';
import { type Model, materializeParameter, type Parameter } from '#models';
import { relativeError } from './decomposition/factor-problem.ts';
import { bytesOf } from './decomposition/slot-matrices.ts';
import type { LayerReport } from './method.ts';

/** A parameter that the model has. */
export function parameterOf(model: Model, path: string): Parameter {
  const parameter = model.parameters.get(path);
  invariant(parameter !== undefined, `${path} is in the architecture but not in the model`);
  return parameter;
}

/** @param state - what its numbers are held in now, for people */
export function changedLayer(before: Model, after: Model, path: string, state: string): LayerReport {
  const [given, made] = [parameterOf(before, path), parameterOf(after, path)];
  const [old, now] = [materializeParameter(before, path).data, materializeParameter(after, path).data];
  const energy = (numbers: Float32Array): number => numbers.reduce((sum, value) => sum + value * value, 0);
  return {
    path,
    kindBefore: given.kind,
    kindAfter: `${made.kind}, ${state}`,
    bytesBefore: bytesOf(given.tensors),
    bytesAfter: bytesOf(made.tensors),
    weightError: relativeError({ lost: energy(old.map((value, index) => value - (now[index] ?? 0))), total: energy(old) }),
  };
}

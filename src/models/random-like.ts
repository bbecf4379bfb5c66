// Random weights in the shape of a model, however its parameters are stored: the baseline that a distilled student is held against.
import { AppError, Random } from '#base';
import { type HostTensor, hostTensor, isFloat, sizeOf } from '#tensor';
import { initializeModel } from './initialize.ts';
import { type Model, type Parameter, replaceParameters } from './model.ts';
import { parameterSpecs } from './parametrizations.ts';
import { sparsePieces } from './sparse-slots.ts';

/** Deviation of dense weights, as `initializeModel` draws them. */
const denseDeviation = 0.02;

/** @throws AppError `unsupported` for a parametrization that has no random start */
export function randomLike(model: Model, seed: number): Model {
  const random = new Random(seed);
  const dense = initializeModel(model.config, random);
  const specs = parameterSpecs(model);
  const replaced = [...model.parameters.values()]
    .filter(({ kind, tensors }) => kind !== 'dense' || tensors[pieces.mask] !== undefined)
    .map((parameter): Parameter => {
      // A sparse matrix keeps its mask: the baseline has as many numbers in the same places.
      if (parameter.kind === 'dense') return randomValues(parameter, denseDeviation, random);
      const rank = parameter.settings['rank'];
      if (parameter.kind !== 'lowRank' || typeof rank !== 'number' || !specs.has(parameter.path))
        throw new AppError(
          'unsupported',
          `${parameter.path}: a ${parameter.kind} parameter cannot be trained from scratch; dense and lowRank ones can.`,
        );
      // The product of two factors has R·σ⁴ as the variance of its elements.
      const deviation = Math.sqrt(denseDeviation / Math.sqrt(rank));
      return randomValues(parameter, deviation, random);
    });
  return replaceParameters(dense, replaced);
}

const pieces = sparsePieces('value');

/** New floats in place of the stored ones; bitmaps stay. */
function randomValues(parameter: Parameter, deviation: number, random: Random): Parameter {
  const tensors = Object.entries(parameter.tensors).map(
    ([slot, tensor]) => [slot, isFloat(tensor.dtype) ? normalTensor(tensor.shape, deviation, random) : tensor] as const,
  );
  return { ...parameter, tensors: Object.fromEntries(tensors) };
}

function normalTensor(shape: readonly number[], deviation: number, random: Random): HostTensor {
  return hostTensor(
    'float32',
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => deviation * random.normal()),
  );
}

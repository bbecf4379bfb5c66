// Random weights in the shape of a model, however its parameters are stored: the baseline that a distilled student is held against.
import { AppError, Random } from '#base';
import { initializeModel, type Model, type Parameter, parameterSpecs, replaceParameters } from '#models';
import { type HostTensor, hostTensor, sizeOf } from '#tensor';

/** Deviation of dense weights, as `initializeModel` draws them. */
const denseDeviation = 0.02;

/** @throws AppError `unsupported` for a parametrization that has no random start */
export function randomLike(model: Model, seed: number): Model {
  const random = new Random(seed);
  const dense = initializeModel(model.config, random);
  const specs = parameterSpecs(model);
  const replaced = [...model.parameters.values()]
    .filter(({ kind }) => kind !== 'dense')
    .map((parameter): Parameter => {
      const rank = parameter.settings['rank'];
      if (parameter.kind !== 'lowRank' || typeof rank !== 'number' || !specs.has(parameter.path))
        throw new AppError(
          'unsupported',
          `${parameter.path}: a ${parameter.kind} parameter cannot be trained from scratch; dense and lowRank ones can.`,
        );
      // The product of two factors has R·σ⁴ as the variance of its elements.
      const deviation = Math.sqrt(denseDeviation / Math.sqrt(rank));
      const tensors = Object.entries(parameter.tensors).map(([slot, { shape }]) => [slot, normalTensor(shape, deviation, random)] as const);
      return { ...parameter, tensors: Object.fromEntries(tensors) };
    });
  return replaceParameters(dense, replaced);
}

function normalTensor(shape: readonly number[], deviation: number, random: Random): HostTensor {
  return hostTensor(
    'float32',
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => deviation * random.normal()),
  );
}

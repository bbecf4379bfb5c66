// Normalizations over an axis: softmax and its logarithm, layer norm, root-mean-square norm.
import { AppError } from '#base';
import { normalizeAxis, type Shape, staticDim } from '#tensor';
import { defineOp, type Emitter } from '../op.ts';
import { around, mapLines, plain, read } from '../plain.ts';
import type { AxisAttrs, EpsilonAttrs, PlainTensor, TensorType, Value } from '../types.ts';
import { normal, positive, requireFloat, requireSame, requireShape } from './checks.ts';

function inferAlongAxis([x]: readonly [TensorType], { axis }: AxisAttrs, place: string): TensorType {
  normalizeAxis(axis, x.shape.length, place);
  return requireFloat(x, place);
}

/** log Σ exp, shifted by the largest element so that nothing overflows. */
function logSumExp(line: Float64Array): number {
  const largest = line.reduce((best, value) => Math.max(best, value), Number.NEGATIVE_INFINITY);
  return largest + Math.log(line.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

const softmaxSamples = [
  { operands: [normal(2, 5)], attrs: { axis: 1 } },
  { operands: [normal(2, 3, 4)], attrs: { axis: 2 } },
  { operands: [normal(3, 2)], attrs: { axis: 0 } },
];

const softmax = defineOp<1, AxisAttrs>({
  infer: inferAlongAxis,
  // dX = y (dY - Σ dY·y)
  vjp: ({ b, dY, y, attrs: { axis } }) => {
    const weighted = b.mul(dY, y);
    return [b.sub(weighted, b.mul(y, b.reduceSum(weighted, [axis], true)))];
  },
  evaluate: ([x], { axis }) =>
    mapLines(x, axis, (line) => {
      const shift = logSumExp(line);
      return line.map((value) => Math.exp(value - shift));
    }),
  samples: softmaxSamples,
});

const logSoftmax = defineOp<1, AxisAttrs>({
  infer: inferAlongAxis,
  // dX = dY - softmax(x) Σ dY
  vjp: ({ b, dY, y, attrs: { axis } }) => [b.sub(dY, b.mul(b.exp(y), b.reduceSum(dY, [axis], true)))],
  evaluate: ([x], { axis }) =>
    mapLines(x, axis, (line) => {
      const shift = logSumExp(line);
      return line.map((value) => value - shift);
    }),
  samples: softmaxSamples,
});

function inferNorm(operands: readonly TensorType[], place: string): readonly [TensorType, TensorType] {
  const [x, ...vectors] = operands as readonly [TensorType, ...TensorType[]];
  requireFloat(x, place);
  const width = staticDim(x.shape.at(-1), place);
  for (const vector of vectors) {
    requireSame(x, vector, place);
    requireShape(vector, [width], place);
  }
  return [x, { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] }];
}

/** The statistics of a norm exist for its own gradient rule; a loss that uses them itself has no gradient here. */
function requireOnlyFirstUsed(dResults: readonly (Value | undefined)[], name: string): void {
  if (dResults.slice(1).some((gradient) => gradient !== undefined))
    throw new AppError(
      'not_differentiable',
      `${name}: the loss uses its statistics, which have no gradient. Compute them with reduceMean instead.`,
    );
}

/** Sums over every axis but the last: the gradient of a gain or bias [D]. */
function sumToVector(b: Emitter, x: Value): Value {
  const leading: Shape = x.shape.slice(0, -1);
  return leading.length === 0
    ? x
    : b.reduceSum(
        x,
        leading.map((_, axis) => axis),
      );
}

const layerNorm = defineOp<3, EpsilonAttrs>({
  infer: (operands, _, place) => {
    const [y, statistic] = inferNorm(operands, place);
    return [y, statistic, statistic];
  },
  // With xHat = (x - mean) r and g = dY·gain:  dX = r (g - mean(g) - xHat · mean(g·xHat)).
  vjp: ({ b, dY, dResults, operands: [x, gain], results, needed }) => {
    requireOnlyFirstUsed(dResults, 'layerNorm');
    const [, mean, inverse] = results as readonly [Value, Value, Value];
    const last = x.shape.length - 1;
    const xHat = b.mul(b.sub(x, mean), inverse);
    const g = b.mul(dY, gain);
    const dX = (): Value => {
      const projection = b.mul(xHat, b.reduceMean(b.mul(g, xHat), [last], true));
      return b.mul(b.sub(b.sub(g, b.reduceMean(g, [last], true)), projection), inverse);
    };
    return [needed[0] ? dX() : null, needed[1] ? sumToVector(b, b.mul(dY, xHat)) : null, needed[2] ? sumToVector(b, dY) : null];
  },
  evaluate: ([x, gain, bias], { epsilon }, [, statisticShape = []]) => {
    const [rows, width] = around(x.shape, x.shape.length - 1);
    const y = plain(x.shape);
    const mean = plain(statisticShape);
    const inverse = plain(statisticShape);
    for (let row = 0; row < rows; row++) {
      const line = x.data.subarray(row * width, (row + 1) * width);
      const average = line.reduce((sum, value) => sum + value, 0) / width;
      const variance = line.reduce((sum, value) => sum + (value - average) ** 2, 0) / width;
      mean.data[row] = average;
      inverse.data[row] = 1 / Math.sqrt(variance + epsilon);
      for (let k = 0; k < width; k++)
        y.data[row * width + k] = ((line[k] ?? 0) - average) * read(inverse, row) * read(gain, k) + read(bias, k);
    }
    return [y, mean, inverse];
  },
  samples: [
    { operands: [normal(3, 8), positive(8), normal(8)], attrs: { epsilon: 1e-5 } },
    { operands: [normal(2, 3, 5), positive(5), normal(5)], attrs: { epsilon: 1e-2 } },
  ],
});

const rmsNorm = defineOp<2, EpsilonAttrs>({
  infer: (operands, _, place) => inferNorm(operands, place),
  // With xHat = x r and g = dY·gain:  dX = r (g - xHat · mean(g·xHat)).
  vjp: ({ b, dY, dResults, operands: [x, gain], results, needed }) => {
    requireOnlyFirstUsed(dResults, 'rmsNorm');
    const [, inverse] = results as readonly [Value, Value];
    const last = x.shape.length - 1;
    const xHat = b.mul(x, inverse);
    const g = b.mul(dY, gain);
    return [
      needed[0] ? b.mul(b.sub(g, b.mul(xHat, b.reduceMean(b.mul(g, xHat), [last], true))), inverse) : null,
      needed[1] ? sumToVector(b, b.mul(dY, xHat)) : null,
    ];
  },
  evaluate: ([x, gain], { epsilon }, [, statisticShape = []]) => {
    const [rows, width] = around(x.shape, x.shape.length - 1);
    const y: PlainTensor = plain(x.shape);
    const inverse = plain(statisticShape);
    for (let row = 0; row < rows; row++) {
      const line = x.data.subarray(row * width, (row + 1) * width);
      inverse.data[row] = 1 / Math.sqrt(line.reduce((sum, value) => sum + value * value, 0) / width + epsilon);
      for (let k = 0; k < width; k++) y.data[row * width + k] = (line[k] ?? 0) * read(inverse, row) * read(gain, k);
    }
    return [y, inverse];
  },
  samples: [
    { operands: [normal(3, 8), positive(8)], attrs: { epsilon: 1e-5 } },
    { operands: [normal(2, 3, 5), positive(5)], attrs: { epsilon: 1e-2 } },
  ],
});

export const normalizeOps = { softmax, logSoftmax, layerNorm, rmsNorm };

// Cross-entropy with its softmax, as one op: neither the gradient of the logarithm nor a one-hot product is materialized.
import { AppError } from '#base';
import { printShape, staticDim } from '#tensor';
import { defineOp } from '../op.ts';
import { mapLines, plain, read } from '../plain.ts';
import type { Value } from '../types.ts';
import { indices, normal, requireDtype, requireFloat } from './checks.ts';

const crossEntropy = defineOp<2>({
  infer: ([logits, labels], _, place) => {
    requireFloat(logits, place);
    requireDtype(labels, 'int64', place);
    if (logits.shape.length !== 2 || labels.shape.length !== 1 || logits.shape[0] !== labels.shape[0])
      throw new AppError(
        'shape_mismatch',
        `${place}: needs logits [N, V] and labels [N], got ${printShape(logits.shape)} and ${printShape(labels.shape)}.`,
      );
    return [{ dtype: logits.dtype, shape: labels.shape }, logits];
  },
  // d loss/d logits = softmax - onehot(label); the log probabilities are a result with a gradient of their own.
  vjp: ({ b, dResults: [dLoss, dLogProbabilities], operands: [logits, labels], results: [, logProbabilities] }) => {
    const values = logProbabilities as Value;
    const size = staticDim(logits.shape[1], 'crossEntropy');
    const parts: Value[] = [];
    if (dLoss !== undefined) {
      const error = b.sub(b.exp(values), b.cast(b.oneHot(labels, size), logits.dtype));
      parts.push(b.mul(error, b.reshape(dLoss, [...dLoss.shape, 1])));
    }
    if (dLogProbabilities !== undefined)
      parts.push(b.sub(dLogProbabilities, b.mul(b.exp(values), b.reduceSum(dLogProbabilities, [1], true))));
    return [parts.reduce((sum, part) => b.add(sum, part)), null];
  },
  evaluate: ([logits, labels]) => {
    const logProbabilities = mapLines(logits, 1, (line) => {
      const largest = line.reduce((best, value) => Math.max(best, value), Number.NEGATIVE_INFINITY);
      const shift = largest + Math.log(line.reduce((sum, value) => sum + Math.exp(value - largest), 0));
      return line.map((value) => value - shift);
    });
    const size = logits.shape[1] ?? 1;
    const loss = plain(
      labels.shape,
      Float64Array.from(labels.data, (label, row) => -read(logProbabilities, row * size + label)),
    );
    return [loss, logProbabilities];
  },
  samples: [{ operands: [normal(4, 6), indices(6, 4)] }, { operands: [normal(1, 3), indices(3, 1)] }],
});

export const lossOps = { crossEntropy };

// Small random graphs for property tests: a program of ops drawn by fast-check, applied to values that fit.
import fc from 'fast-check';
import { Random } from '#base';
import { type Graph, GraphBuilder, gradients, type Value } from '#graph';
import { fromNumbers, type HostTensor, hostTensor, sizeOf } from '#tensor';

/** One step of a program: an op by number, and which earlier values it takes. */
export interface Step {
  readonly op: number;
  readonly first: number;
  readonly second: number;
  readonly choice: number;
}

export const anyProgram: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({ op: fc.nat(1000), first: fc.nat(1000), second: fc.nat(1000), choice: fc.nat(1000) }),
  { minLength: 1, maxLength: 14 },
);

type Make = (b: GraphBuilder, x: Value, y: Value, choice: number) => Value;

const swapped = (x: Value): number[] => x.shape.map((_, axis) => axis).reverse();
const flat = (b: GraphBuilder, x: Value): Value => b.reshape(x, [sizeOf(x.shape as number[])]);
const axisOf = (x: Value, choice: number): number => choice % Math.max(1, x.shape.length);

/** All keep values small and smooth, so that two ways of computing them agree closely. */
const makers: readonly Make[] = [
  (b, x, y) => (fits(x, y) ? b.add(x, y) : b.add(x, 0)),
  (b, x, y) => (fits(x, y) ? b.mul(b.tanh(x), b.sigmoid(y)) : b.mul(x, 1)),
  (b, x, y) => (fits(x, y) ? b.sub(x, y) : b.sub(1, b.tanh(x))),
  (b, x, _, choice) => b.mul(b.mul(x, [0.5, -2, 1][choice % 3]!), 0.25),
  (b, x) => b.tanh(x),
  (b, x) => b.neg(b.sin(x)),
  (b, x, y) => {
    const [left, right] = [b.reshape(b.tanh(x), [sizeOf(x.shape as number[]), 1]), b.reshape(b.tanh(y), [1, sizeOf(y.shape as number[])])];
    return b.mul(b.reduceSum(b.mul(b.matmul(left, right), 0.5), [1]), 0.1);
  },
  (b, x) => (x.shape.length === 2 ? b.mul(b.matmul(b.tanh(x), b.tanh(x), { transposeB: true }), 0.3) : b.exp(b.neg(b.mul(x, x)))),
  (b, x) => b.reshape(b.reshape(flat(b, x), [1, sizeOf(x.shape as number[])]), [...x.shape]),
  (b, x) => b.transpose(x, swapped(x)),
  (b, x) => b.transpose(b.transpose(x, swapped(x)), swapped(x)),
  (b, x) => (x.shape.length < 3 ? b.broadcastTo(x, [2, ...x.shape]) : x),
  (b, x, _, choice) =>
    b.reduceSum(
      b.mul(x, 0.3),
      [axisOf(x, choice)].filter(() => x.shape.length > 0),
      choice % 2 === 0,
    ),
  (b, x, _, choice) =>
    b.reduceMean(
      x,
      [axisOf(x, choice)].filter(() => x.shape.length > 0),
      true,
    ),
  (b, x, y) =>
    fits(x, y)
      ? b.add(
          x,
          b.broadcastTo(
            b.reduceMean(
              y,
              y.shape.map((_, axis) => axis),
            ),
            [...y.shape],
          ),
        )
      : x,
  (b, x, _, choice) => {
    const axis = axisOf(x, choice);
    const size = x.shape[axis];
    if (typeof size !== 'number' || size < 2) return x;
    return b.concat([b.slice(x, axis, 1, size), b.mul(b.slice(x, axis, 0, 1), 2)], axis);
  },
  (b, x) => (x.shape.length > 0 ? b.softmax(x) : x),
  (b, x) => b.add(b.stopGradient(x), b.mul(b.scalar(2, x.dtype), b.add(b.scalar(1, x.dtype), 3))),
];

function fits(x: Value, y: Value): boolean {
  return x.shape.length === y.shape.length && x.shape.every((dim, axis) => dim === y.shape[axis]);
}

export interface RandomGraph {
  readonly graph: Graph;
  readonly inputs: Record<string, HostTensor>;
}

/** Runs a program over three inputs; the outputs are its last values, a scalar loss, and the gradients of all inputs. */
export function makeRandomGraph(program: readonly Step[], seed: number, dtype: 'float64' | 'float32' = 'float64'): RandomGraph {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const inputs: Record<string, HostTensor> = {};
  const sources = [[2, 3], [3], [2, 3]].map((shape, index) => {
    const numbers = Float64Array.from({ length: sizeOf(shape) }, () => random.normal());
    inputs[`x${index}`] = hostTensor(dtype, shape, fromNumbers(dtype, numbers));
    return b.input(`x${index}`, dtype, shape);
  });
  const values = [...sources];
  for (const { op, first, second, choice } of program) {
    const [x, y] = [values[first % values.length]!, values[second % values.length]!];
    const made = makers[op % makers.length]!(b, x, y, choice);
    if (sizeOf(made.shape as number[]) <= 64) values.push(made);
  }
  const kept = values.slice(-3);
  const loss = kept
    .map((value) =>
      b.reduceSum(
        value,
        value.shape.map((_, axis) => axis),
      ),
    )
    .reduce((sum, part) => b.add(sum, part));
  const outputs = Object.fromEntries(kept.map((value, index) => [`y${index}`, value]));
  const derivatives = Object.fromEntries(gradients(b, loss, sources).map((value, index) => [`dX${index}`, value]));
  return { graph: b.graph({ ...outputs, loss, ...derivatives }), inputs };
}

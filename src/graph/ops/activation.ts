// Activations that runtimes have kernels for.
import { defineOp, type Emitter, type OpDefinition } from '../op.ts';
import { erfPlain, mapPlain } from '../plain.ts';
import type { Value } from '../types.ts';
import { normal, requireFloat } from './checks.ts';

/** x·g(x) with the rule for its derivative. */
function activation(f: (x: number) => number, backward: (b: Emitter, dY: Value, x: Value, y: Value) => Value): OpDefinition<1, object> {
  return defineOp<1>({
    traits: ['elementwise', 'fused'],
    infer: ([x], _, place) => requireFloat(x, place),
    vjp: ({ b, dY, operands: [x], y }) => [backward(b, dY, x, y)],
    evaluate: ([x]) => mapPlain(x, f),
    samples: [{ operands: [normal(2, 5)] }, { operands: [normal(3, 2, 2)] }],
  });
}

const rootTwoOverPi = Math.sqrt(2 / Math.PI);
/** Cubic coefficient of the tanh approximation (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016). */
const cubic = 0.044715;

export const activationOps = {
  // d xΦ(x)/dx = Φ(x) + x φ(x)
  gelu: activation(
    (x) => 0.5 * x * (1 + erfPlain(x / Math.SQRT2)),
    (b, dY, x) => {
      const distribution = b.mul(b.add(b.erf(b.mul(x, Math.SQRT1_2)), 1), 0.5);
      const density = b.mul(b.exp(b.mul(b.mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return b.mul(dY, b.add(distribution, b.mul(x, density)));
    },
  ),
  // The approximation is x·s with s = sigmoid(u), u = 2√(2/π)(x + c x³), because 1+tanh(v) = 2 sigmoid(2v). Hence
  // dy/dx = s + x s (1-s) u' = s + (1-s) y u',  u' = 2√(2/π)(1 + 3c x²).  s needs few passes over the tensor and y is at hand.
  geluTanh: activation(
    (x) => 0.5 * x * (1 + Math.tanh(rootTwoOverPi * (x + cubic * x ** 3))),
    (b, dY, x, y) => {
      const square = b.mul(x, x);
      const s = b.sigmoid(b.mul(x, b.add(b.mul(square, 2 * rootTwoOverPi * cubic), 2 * rootTwoOverPi)));
      const slope = b.add(b.mul(square, 6 * rootTwoOverPi * cubic), 2 * rootTwoOverPi);
      return b.mul(dY, b.add(s, b.mul(b.mul(y, slope), b.sub(1, s))));
    },
  ),
  // dy/dx = s + x s (1-s) = s + y (1-s)
  silu: activation(
    (x) => x / (1 + Math.exp(-x)),
    (b, dY, x, y) => {
      const s = b.sigmoid(x);
      return b.mul(dY, b.add(s, b.mul(y, b.sub(1, s))));
    },
  ),
};

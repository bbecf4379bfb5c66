// How close two computations of one result must be: one table by element type, with an exception an op where there is a reason.
import type { DType } from '#tensor';

export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
  /** Why it is not tighter. */
  readonly reason: string;
}

const exact: Tolerance = { relative: 0, absolute: 0, reason: 'integers and booleans are exact' };

const byDType: { readonly [D in DType]: Tolerance } = {
  float64: { relative: 1e-10, absolute: 1e-12, reason: 'another order of summation' },
  float32: { relative: 1e-5, absolute: 1e-6, reason: 'a few roundings of 6e-8 each, vectorized transcendental functions' },
  float16: { relative: 2e-3, absolute: 1e-3, reason: '11 bits of mantissa: one rounding is 5e-4' },
  bfloat16: { relative: 1.6e-2, absolute: 1e-2, reason: '8 bits of mantissa: one rounding is 4e-3' },
  int64: exact,
  int32: exact,
  int8: exact,
  uint8: exact,
  bool: exact,
};

/** Only looser entries than the type's, each with its reason. */
const byOp: Readonly<Record<string, Partial<Record<DType, Tolerance>>>> = {
  matmulInt8: {
    float32: { relative: 1e-4, absolute: 1e-4, reason: 'the scale of x is a quotient in float32, and multiplies sums of hundreds' },
  },
  roundedMatmul: {
    float32: { relative: 1e-4, absolute: 1e-4, reason: 'scales are quotients in float32, and multiply sums of hundreds' },
  },
  roundedGradient: {
    float32: { relative: 1e-4, absolute: 1e-4, reason: 'scales are quotients in float32, and multiply sums of hundreds' },
  },
  matmul: { float32: { relative: 1e-4, absolute: 1e-5, reason: 'sums of products cancel; blocked kernels add in another order' } },
  reduceSum: { float32: { relative: 1e-4, absolute: 1e-5, reason: 'long sums cancel' } },
  reduceMean: { float32: { relative: 1e-4, absolute: 1e-5, reason: 'long sums cancel' } },
  scatterAdd: { float32: { relative: 1e-4, absolute: 1e-5, reason: 'many updates fall on one row, in any order' } },
  erf: { float32: { relative: 1e-4, absolute: 1e-5, reason: 'polynomial approximations differ by a few 1e-6' } },
  tanh: { float32: { relative: 1e-4, absolute: 1e-5, reason: 'rational approximations differ by a few 1e-6' } },
  sigmoid: { float32: { relative: 1e-4, absolute: 1e-5, reason: 'rational approximations differ by a few 1e-6' } },
  gelu: { float32: { relative: 1e-4, absolute: 1e-5, reason: 'built on erf' } },
  geluTanh: { float32: { relative: 1e-4, absolute: 1e-5, reason: 'built on tanh' } },
  silu: { float32: { relative: 1e-4, absolute: 1e-5, reason: 'built on sigmoid' } },
  softmax: { float32: { relative: 1e-4, absolute: 1e-6, reason: 'exponentials of differences, divided by a sum' } },
  logSoftmax: { float32: { relative: 1e-4, absolute: 1e-5, reason: 'the logarithm of a sum of exponentials cancels near 0' } },
  crossEntropy: { float32: { relative: 1e-4, absolute: 1e-5, reason: 'built on logSoftmax' } },
  layerNorm: { float32: { relative: 1e-4, absolute: 1e-5, reason: 'subtracts a mean, then divides by a deviation' } },
  rmsNorm: { float32: { relative: 1e-4, absolute: 1e-5, reason: 'divides by the root of a mean' } },
  groupQueryAttention: { float32: { relative: 2e-4, absolute: 2e-5, reason: 'two products around a softmax, fused on some engines' } },
  int8GroupQueryAttention: { float32: { relative: 2e-4, absolute: 2e-4, reason: 'the same over codes, whose numbers are larger' } },
};

/** Whole models and training against PyTorch. */
export const modelTolerances = {
  logits: { relative: 1e-4, absolute: 1e-4, reason: 'fp32 errors of every layer add up; the bound is the one promised for golden logits' },
  gradients: { relative: 1e-4, absolute: 1e-6, reason: 'fp32 backward pass; relative to the largest element of each gradient' },
  losses: { relative: 1e-4, absolute: 1e-5, reason: 'rounding grows a little with each optimizer step' },
} as const satisfies Readonly<Record<string, Tolerance>>;

/**
 * Products in half precision, everything else in float32, against all of it in float32: `values` of single graphs, `gradients` of whole models (relative to
 * the largest element of each), `losses` of the first steps of training.
 */
export const mixedTolerances = {
  float16: {
    values: {
      relative: 1e-2,
      absolute: 1e-2,
      reason: 'operands and results of products keep 11 bits: 5e-4 each, and products follow each other',
    },
    gradients: { relative: 2e-2, absolute: 1e-6, reason: 'a dozen products one after the other, each rounded to 5e-4' },
    losses: { relative: 5e-3, absolute: 1e-3, reason: 'a mean over tokens: most of the roundings cancel' },
  },
  bfloat16: {
    values: {
      relative: 8e-2,
      absolute: 8e-2,
      reason: 'operands and results of products keep 8 bits: 4e-3 each, and products follow each other',
    },
    gradients: {
      relative: 1.5e-1,
      absolute: 1e-6,
      reason: 'a dozen products rounded to 4e-3 each, and differences of them behind softmax',
    },
    losses: { relative: 2e-2, absolute: 5e-3, reason: 'a mean over tokens: most of the roundings cancel' },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Tolerance>>>>;

/** An analytic gradient in float64 against central differences with a step of about 1e-6. */
export const gradientCheckTolerance: Tolerance = {
  relative: 1e-5,
  absolute: 1e-7,
  reason: 'truncation O(step²) and cancellation O(1e-16 / step) of the central difference',
};

/** The tolerance for one op's result in one element type. */
export function toleranceFor(dtype: DType, op?: string): Tolerance {
  return (op === undefined ? undefined : byOp[op]?.[dtype]) ?? byDType[dtype];
}

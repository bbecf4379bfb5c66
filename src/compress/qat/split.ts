// Ternary weights as the sum of two binary ones: the start of binary training.
import { invariant } from '#base';
import { type Parameter, type ParameterSpec, slotOnHost } from '#models';
import { castTensor, float32, type HostTensor, transposeMatrix } from '#tensor';
import { slotRows } from '../decomposition/slot-matrices.ts';
import type { GroupLayout } from './groups.ts';

const twnShare = 0.7;

/** Two groups of weights whose sum is the given one. */
export interface SplitGroup {
  readonly first: Float64Array;
  readonly second: Float64Array;
}

/**
 * Splits latent weights w of which ŵ = T·{−1, 0, 1} is the ternary form, so that w₁ + w₂ = w and bin(w₁) + bin(w₂) = ŵ, for bin(v) = sign(v)·mean|v|.
 *
 * Where ŵ ≠ 0: a·w and (1 − a)·w. Where ŵ = 0: w + b and −b for w ≥ 0, b and w − b for w < 0. With n weights, of which z are zero in ŵ: both have the mean
 * magnitude T/2, which gives b = (T·n − Σ|w|)/(2z) and a = (Σ|w|/2 − Σ of the w ≥ 0 where ŵ = 0)/Σ of the |w| where ŵ ≠ 0.
 *
 * @param isZero - 1 where ŵ = 0
 * @see H. Bai et al., "BinaryBERT: pushing the limit of BERT quantization", ACL 2021, §3.2. We differ: conditions hold for each group, not for each matrix.
 */
export function splitGroup(weights: ArrayLike<number>, isZero: ArrayLike<number>): SplitGroup {
  const n = weights.length;
  let [kept, numZeros, all, upper] = [0, 0, 0, 0];
  for (let index = 0; index < n; index++) {
    const weight = weights[index] ?? 0;
    all += Math.abs(weight);
    if (isZero[index] === 0) kept += Math.abs(weight);
    else {
      numZeros += 1;
      upper += Math.max(weight, 0);
    }
  }
  const scale = kept === 0 ? 0 : kept / (n - numZeros);
  const offset = numZeros === 0 ? 0 : (scale * n - all) / (2 * numZeros);
  const share = kept === 0 ? 0.5 : (all / 2 - upper) / kept;
  const [first, second] = [new Float64Array(n), new Float64Array(n)];
  for (let index = 0; index < n; index++) {
    const weight = weights[index] ?? 0;
    const part = isZero[index] === 0 ? share * weight : weight >= 0 ? weight + offset : offset;
    first[index] = part;
    second[index] = weight - part;
  }
  return { first, second };
}

/** 1 where the ternary form of a group is zero: |w| ≤ 0.7·mean|w|. */
export function ternaryZeros(weights: ArrayLike<number>): Uint8Array {
  let sum = 0;
  for (let index = 0; index < weights.length; index++) sum += Math.abs(weights[index] ?? 0);
  const limit = (twnShare * sum) / weights.length;
  return Uint8Array.from(weights, (weight) => (Math.abs(weight) > limit ? 0 : 1));
}

/** A dense weight as a sum of two, whose binary forms add up to its ternary one. */
export function splitParameter(parameter: Parameter, spec: ParameterSpec, { layout, size }: GroupLayout): Parameter {
  invariant(parameter.kind === 'dense', `${parameter.path} is dense`);
  const { rows: N, columns: K, isTransposed } = layout;
  const rows = slotRows(slotOnHost(spec, parameter, 'value'), layout);
  const [first, second] = [new Float32Array(N * K), new Float32Array(N * K)];
  for (let row = 0; row < N; row++)
    for (let start = row * K; start < (row + 1) * K; start += size) {
      const group = rows.subarray(start, Math.min((row + 1) * K, start + size));
      const split = splitGroup(group, ternaryZeros(group));
      first.set(split.first, start);
      second.set(split.second, start);
    }
  const matrix = (data: Float32Array): HostTensor<'float32'> =>
    castTensor(isTransposed ? transposeMatrix(float32([N, K], data)) : float32(spec.shape, data), 'float32');
  return { path: parameter.path, kind: 'sum', settings: {}, tensors: { first: matrix(first), second: matrix(second) } };
}

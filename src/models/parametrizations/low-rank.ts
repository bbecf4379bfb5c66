// Low rank: W = P·Q as two thin factors, `left` P [m, R] and `right` Q [R, n]; the setting is `rank`.
import { AppError } from '#base';
import { float32, printShape, toNumbers } from '#tensor';
import type { ParameterSettings, ParameterSpec } from '../model.ts';
import type { Parametrization } from '../parametrization.ts';

function checkedRank(spec: ParameterSpec, settings: ParameterSettings): number {
  const rank = settings['rank'];
  if (typeof rank !== 'number' || !Number.isInteger(rank))
    throw new AppError('config_mismatch', `${spec.path}: lowRank needs an integer setting "rank", got ${JSON.stringify(rank)}.`);
  const limit = Math.min(...spec.shape);
  if (rank < 1 || rank > limit)
    throw new AppError('rank_out_of_range', `${spec.path}: rank ${rank} of a matrix ${printShape(spec.shape)} is outside 1..${limit}.`);
  return rank;
}

/** Every use multiplies by the factors one after the other: R·(m+n) multiplications a row in place of m·n. */
export const lowRank: Parametrization = {
  roles: ['linear', 'embedding'],
  slots: (spec, settings) => {
    const rank = checkedRank(spec, settings);
    const [rows = 0, columns = 0] = spec.shape;
    return {
      left: { shape: [rows, rank], dtype: 'float', trains: true, inputAxis: spec.role === 'embedding' ? 1 : 0 },
      right: { shape: [rank, columns], dtype: 'float', trains: true },
    };
  },
  linear: (weight, x) => weight.product(weight.product(x, 'left'), 'right'),
  lookup: (weight, ids) => weight.product(weight.rows('left', ids), 'right'),
  transposed: (weight, x) => weight.productTransposed(weight.productTransposed(x, 'right'), 'left'),
  dense: (weight) => weight.product(weight.slot('left'), 'right'),
  materialize: ({ spec, slot }) => {
    const left = slot('left');
    const [rows = 0, rank = 0] = left.shape;
    return float32(spec.shape, product(toNumbers(left), toNumbers(slot('right')), rows, rank));
  },
};

/** [m, R] x [R, n] with each row summed in float64. */
function product(left: ArrayLike<number>, right: ArrayLike<number>, rows: number, rank: number): Float32Array {
  const columns = right.length / rank;
  const result = new Float32Array(rows * columns);
  const sums = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    sums.fill(0);
    for (let inner = 0; inner < rank; inner++) {
      const factor = left[row * rank + inner] ?? 0;
      const offset = inner * columns;
      for (let column = 0; column < columns; column++) sums[column] = (sums[column] ?? 0) + factor * (right[offset + column] ?? 0);
    }
    result.set(sums, row * columns);
  }
  return result;
}

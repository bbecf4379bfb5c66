// GPTQ: codes are chosen one input after the other, and each choice is made good by the weights that are still free.
import { at, invariant } from '#base';
import type { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { type InputFactor, overInputs } from '../decomposition/input-factor.ts';
import { type Grid, nearestCode, zeroCodes } from './grid.ts';

/**
 * Codes [N, groups·groupSize] on a fixed grid that make ‖X·(W − W')‖ small: `overInputs` with the nearest code as the choice.
 *
 * Shapes: weight [K, N]; the grid's rows are the N outputs.
 *
 * @param keeps - one flag (0 or 1) a weight, [K, N]: those without stay zero
 * @see E. Frantar, S. Ashkboos, T. Hoefler, D. Alistarh, "GPTQ: accurate post-training quantization for generative pre-trained transformers",
 * ICLR 2023. Grids are fixed before the first choice (static groups), so that the order needs no gather when the model runs.
 */
export async function gptqCodes(
  matrices: EngineMatrices,
  weight: Float64Array,
  factor: InputFactor,
  grid: Grid,
  keeps?: Uint8Array,
): Promise<Uint8Array> {
  const { width: K, order, lower } = factor;
  const { rows: N, bits, groupSize, groups, scales, zeroPoints } = grid;
  invariant(weight.length === K * N && grid.columns === K, `a weight of ${weight.length} numbers, ${K} inputs and ${N} outputs`);
  const codes = zeroCodes(grid);
  const last = 2 ** bits - 1;
  await overInputs(matrices, factor, N, {
    choose(place, pending, errors, errorRow) {
      const input = at(order, place);
      const pivot = at(lower, place * K + place);
      const group = Math.floor(input / groupSize);
      const [own, column] = [place * N, input * N];
      for (let output = 0; output < N; output++) {
        const value = weight[column + output] ?? 0;
        const [scale, zeroPoint] = [scales[output * groups + group] ?? 0, zeroPoints[output * groups + group] ?? 0];
        const isZero = keeps !== undefined && keeps[column + output] === 0;
        const code = isZero ? zeroPoint : nearestCode(value + (pending[own + output] ?? 0) / pivot, scale, zeroPoint, last);
        codes[output * groups * groupSize + input] = code;
        errors[errorRow + output] = value - (code - zeroPoint) * scale;
      }
    },
  });
  return codes;
}

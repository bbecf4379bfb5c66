// Scales of a weight's rows, one an input: what FWSVD and ASVD multiply a matrix by before they decompose it.
import { at, type OperationContext } from '#base';
import { type Model, parameterSpecs } from '#models';
import type { Calibration } from '../calibration.ts';

export type RowScales = ReadonlyMap<string, Float64Array>;

/**
 * √Σ_j F_ij of each row i, where F is the diagonal of the empirical Fisher information.
 *
 * @see Y.-C. Hsu, T. Hua, S. Chang, Q. Lou, Y. Shen, H. Jin, "Language model compression with weighted low-rank factorization", ICLR 2022
 */
export async function fisherScales(
  model: Model,
  paths: readonly string[],
  calibration: Calibration,
  context: OperationContext,
): Promise<RowScales> {
  const specs = parameterSpecs(model);
  const scales = new Map<string, Float64Array>();
  for await (const { path, squares } of calibration.gradientSquares(model, paths, context)) {
    const columns = at(specs.get(path)?.shape ?? [], 1);
    const sums = new Float64Array(squares.length / columns);
    squares.forEach((square, index) => {
      const row = Math.floor(index / columns);
      sums[row] = at(sums, row) + square;
    });
    scales.set(path, sums.map(Math.sqrt));
  }
  return scales;
}

/**
 * (mean |x_i|)^alpha of each input i.
 *
 * @see Z. Yuan, Y. Shang, Y. Song, Q. Wu, Y. Yan, G. Sun, "ASVD: Activation-aware singular value decomposition for compressing large language
 * models", 2023. We differ: an exact decomposition in place of a randomized one.
 */
export async function magnitudeScales(
  model: Model,
  paths: readonly string[],
  alpha: number,
  calibration: Calibration,
  context: OperationContext,
): Promise<RowScales> {
  const scales = new Map<string, Float64Array>();
  for await (const { paths: readers, sums, tokens } of calibration.inputMagnitudes(model, paths, context))
    for (const path of readers)
      scales.set(
        path,
        sums.map((sum) => (sum / tokens) ** alpha),
      );
  return scales;
}

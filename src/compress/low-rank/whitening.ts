// What calibration says of one layer's inputs or outputs, as its decomposition uses it.
import { at } from '#base';
import { type HostTensor, hostTensor } from '#tensor';
import type { InputMoments } from '../calibration.ts';
import type { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { type Factors, type InputMetric, inputProblem, outputProblem, type WhitenedProblem } from '../decomposition/factor-problem.ts';

/** A layer in the space of its outputs on calibration text. */
export interface Whitening {
  /** Rows that the moments are sums over. */
  readonly tokens: number;
  problem(matrices: EngineMatrices, weight: HostTensor<'float32'>): Promise<WhitenedProblem>;
  /**
   * lᵀ·H·l of each column l of the left factor: the size of what it passes on.
   *
   * @param squares - eigenvalues of the problem, where the factors are its solution
   */
  energies(matrices: EngineMatrices, factors: Factors, squares: Float64Array): Promise<Float64Array>;
}

/** From the moments of a layer's inputs, which other layers may read too: they share the metric. */
export function inputWhitening(metric: InputMetric, tokens: number): Whitening {
  return {
    tokens,
    problem: (matrices, weight) => inputProblem(matrices, weight, metric),
    energies: async (matrices, { rank, left }) => {
      const m = metric.width;
      const passed = await matrices.runToHost('product', {
        x: hostTensor('float64', [m, m], metric.moments),
        y: hostTensor('float64', [m, rank], left),
      });
      const energies = new Float64Array(rank);
      passed.forEach((value, index) => {
        energies[index % rank] = at(energies, index % rank) + value * at(left, index);
      });
      return energies;
    },
  };
}

/** From the moments of a layer's outputs. */
export function outputWhitening({ gram, tokens }: InputMoments): Whitening {
  return {
    tokens,
    problem: (matrices, weight) => outputProblem(matrices, weight, gram),
    // l = s·W·v for an eigenvector v, and the row of the right factor is v/s.
    energies: async (_matrices, { rank, right }, squares) => {
      const n = right.length / rank;
      return Float64Array.from({ length: rank }, (_, k) => {
        const rightSquares = right.subarray(k * n, (k + 1) * n).reduce((sum, value) => sum + value * value, 0);
        return rightSquares > 0 ? at(squares, k) / rightSquares : 0;
      });
    },
  };
}

// Training with gates: what changes in the network, in the loss, and from step to step.
import { at, Random } from '#base';
import type { Value } from '#graph';
import type { ModelDeclaration, NetworkChanges } from '#models';
import { float32 } from '#tensor';
import type { SchemeInGraph, SchemeStep, TrainingScheme } from '#train';
import { type GatedLayer, gateOffsets, pairNames, pairsOf, ranksOf, termBytes, totalBytesBefore } from './gated-model.ts';
import { drawnGates, keepProbabilities, keepProbability, logisticNoise } from './hard-concrete.ts';
import { type LagrangianForm, sizePenalty } from './lagrangian.ts';

/** Names of the scheme's tensors: α of all gates [G], pair by pair, and the two multipliers []. */
export const gateTensors = { gates: 'flop.gates', first: 'flop.lambda1', second: 'flop.lambda2' } as const;
const noiseName = 'flop.noise';
const targetName = 'flop.target';

export interface FlopSchemeOptions {
  /** Its gated pairs decide how many gates there are. */
  readonly model: ModelDeclaration;
  readonly layers: readonly GatedLayer[];
  /** α of every gate at the start [G], pair by pair. */
  readonly initialGates: Float32Array;
  readonly beta: number;
  readonly lagrangian: LagrangianForm;
  readonly gateFactor: number;
  readonly multiplierFactor: number;
  readonly seed: number;
  /** Sparsity that a step aims for. */
  readonly target: (step: number) => number;
}

/** One draw a gate for one step: equal seeds and steps give equal noise. */
export function gateNoise(seed: number, step: number, numGates: number): Float32Array {
  const random = new Random(seed * 1_000_003 + step);
  return Float32Array.from({ length: numGates }, () => logisticNoise(random.uniform()));
}

/**
 * α at the start [G]: a drop tendency for all, and within a matrix a straight line from the strongest term, half the spread above it, to the weakest.
 *
 * @param ranks - terms of each pair, strongest first
 */
export function initialGates(ranks: readonly number[], alpha: number, spread: number): Float32Array {
  return Float32Array.from(
    ranks.flatMap((rank) => Array.from({ length: rank }, (_, term) => alpha + spread * (0.5 - (rank > 1 ? term / (rank - 1) : 0.5)))),
  );
}

/**
 * The same by what the loss minds about a term for each byte of it, compared over all matrices: the dearest has half the spread above the middle.
 *
 * @param losses - one a gate; undefined where nothing is known, which keeps its place of `plain`
 */
export function gatesByLoss(plain: Float32Array, losses: readonly (number | undefined)[], alpha: number, spread: number): Float32Array {
  const known = Array.from(losses.keys()).filter((gate) => losses[gate] !== undefined);
  known.sort((first, second) => (losses[second] ?? 0) - (losses[first] ?? 0) || first - second);
  const gates = Float32Array.from(plain);
  known.forEach((gate, place) => {
    gates[gate] = alpha + spread * (0.5 - (known.length > 1 ? place / (known.length - 1) : 0.5));
  });
  return gates;
}

/** s̄: the share of the bytes that is expected to be gone. */
export function sparsityOf(layers: readonly GatedLayer[], alphas: readonly (readonly number[])[], beta: number): number {
  const expected = termBytes(layers).map(
    (bytes, pair) => bytes * at(alphas, pair).reduce((sum, alpha) => sum + keepProbability(alpha, beta), 0),
  );
  const fixed = layers.reduce((sum, { fixedBytes }) => sum + fixedBytes, 0);
  return 1 - (fixed + expected.reduce((sum, bytes) => sum + bytes, 0)) / totalBytesBefore(layers);
}

/**
 * W = P·diag(z)·Q with one draw of z a step, and the augmented Lagrangian on the expected stored size.
 *
 * A gate multiplies a column of P or a row of Q, whichever is shorter.
 *
 * @see Z. Wang, J. Wohlwend, T. Lei, "Structured pruning of large language models", EMNLP 2020, §3
 */
export function flopScheme(options: FlopSchemeOptions): TrainingScheme {
  const { model, layers, beta, lagrangian, seed, target } = options;
  const pairs = pairsOf(layers);
  const ranks = ranksOf(model, layers);
  const offsets = gateOffsets(ranks);
  const numGates = ranks.reduce((sum, rank) => sum + rank, 0);
  const bytesBefore = totalBytesBefore(layers);
  const shares = float32(
    [numGates],
    termBytes(layers).flatMap((bytes, pair) => Array.from({ length: at(ranks, pair) }, () => bytes / bytesBefore)),
  );
  const fixedShare = layers.reduce((sum, { fixedBytes }) => sum + fixedBytes, 0) / bytesBefore;

  return {
    name: 'flop',
    tensors: [
      {
        name: gateTensors.gates,
        initial: float32([numGates], options.initialGates),
        learningRateFactor: options.gateFactor,
      },
      { name: gateTensors.first, initial: float32([], [0]), learningRateFactor: options.multiplierFactor, ascends: true },
      { name: gateTensors.second, initial: float32([], [0]), learningRateFactor: options.multiplierFactor, ascends: true },
    ],

    network({ b, tensor, input }): NetworkChanges {
      const drawn = drawnGates(b, tensor(gateTensors.gates), input(noiseName, 'float32', [numGates]), beta);
      const gated = new Map<string, (value: Value) => Value>();
      for (const [pair, each] of pairs.entries()) {
        const [rank, offset] = [at(ranks, pair), at(offsets, pair)];
        const names = pairNames(model, each);
        const onLeft = each.rows < each.columns;
        const multiply = (value: Value): Value =>
          b.mul(value, b.reshape(b.slice(drawn, 0, offset, offset + rank), onLeft ? [1, rank] : [rank, 1]));
        gated.set(onLeft ? names.left : names.right, multiply);
      }
      return { stored: (name, value) => gated.get(name)?.(value) ?? value };
    },

    loss(_context, objective, scheme) {
      const { b, tensor, input } = scheme;
      const sparsity = expectedSparsity(scheme);
      const wanted = input(targetName, 'float32', []);
      const multipliers = [tensor(gateTensors.first), tensor(gateTensors.second)] as const;
      const penalty = sizePenalty(b, lagrangian, multipliers, sparsity, wanted);
      return {
        loss: b.add(objective.loss, penalty),
        metrics: {
          ...objective.metrics,
          taskLoss: objective.loss,
          sizePenalty: penalty,
          sparsity,
          targetSparsity: wanted,
          lambda1: multipliers[0],
          lambda2: multipliers[1],
        },
      };
    },

    step: (step): SchemeStep => ({
      inputs: { [noiseName]: float32([numGates], gateNoise(seed, step, numGates)), [targetName]: float32([], [target(step)]) },
    }),
  };

  /** s̄ [] = 1 − Σ share·P(z > 0) − what stays anyway */
  function expectedSparsity({ b, tensor }: SchemeInGraph): Value {
    const size = b.reduceSum(b.mul(keepProbabilities(b, tensor(gateTensors.gates), beta), b.constant(shares)), [0]);
    return b.sub(1 - fixedShare, size);
  }
}

/** Which gates of each pair stay open with at least `bound`. */
export function openGates(alphas: readonly (readonly number[])[], beta: number, bound: number): readonly (readonly number[])[] {
  return alphas.map((ofPair) => ofPair.flatMap((alpha, index) => (keepProbability(alpha, beta) >= bound ? [index] : [])));
}

// AdamW: Adam with decoupled weight decay.
import { invariant } from '#base';
import type { Optimizer } from './optimizer.ts';

export interface AdamWSettings {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Decoupled decay: a parameter shrinks by learning rate times this each step. */
  readonly weightDecay?: number;
}

/**
 * AdamW as PyTorch computes it: m̂ = m/(1-β₁ᵗ), v̂ = v/(1-β₂ᵗ), p ← p(1-ηλ) - η m̂/(√v̂ + ε).
 *
 * Tensors are passed over as few times as possible: the state is kept as M = m/(1-β₁) and S = v/(1-β₂), so that M ← β₁M + g and
 * S ← β₂S + g², and all corrections are in scalars: with c = √((1-β₂ᵗ)/(1-β₂)), m̂/(√v̂ + ε) = M·c(1-β₁)/((1-β₁ᵗ)(√S + εc)).
 *
 * @see Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, algorithm 2
 */
export function adamW({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 }: AdamWSettings = {}): Optimizer {
  return {
    name: 'adamW',
    stateSlots: ['mean', 'square'],
    scalarNames: ['stepSize', 'shiftedEpsilon', 'keep'],
    scalars: (step, learningRate) => {
      const correction = Math.sqrt((1 - beta2 ** step) / (1 - beta2));
      return {
        stepSize: (learningRate * correction * (1 - beta1)) / (1 - beta1 ** step),
        shiftedEpsilon: epsilon * correction,
        keep: 1 - learningRate * weightDecay,
      };
    },
    update: ({ b, parameter, gradient, state, scalars, decays }) => {
      const { mean, square } = state;
      const { stepSize, shiftedEpsilon, keep } = scalars;
      invariant(mean && square && stepSize && shiftedEpsilon && keep, 'adamW is given its state and scalars');
      const newMean = b.add(b.mul(mean, beta1), gradient);
      const newSquare = b.add(b.mul(square, beta2), b.mul(gradient, gradient));
      const change = b.div(b.mul(newMean, stepSize), b.add(b.sqrt(newSquare), shiftedEpsilon));
      const kept = decays && weightDecay !== 0 ? b.mul(parameter, keep) : parameter;
      return { parameter: b.sub(kept, change), state: { mean: newMean, square: newSquare } };
    },
  };
}

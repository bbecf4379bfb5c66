// Stochastic gradient descent with momentum.
import { invariant } from '#base';
import type { Optimizer } from './optimizer.ts';

export interface SgdSettings {
  readonly momentum?: number;
  readonly nesterov?: boolean;
  /** Added to the gradient (coupled), as PyTorch's SGD does. */
  readonly weightDecay?: number;
}

/**
 * SGD as PyTorch computes it: g ← g + λp, v ← μv + g, p ← p - η(v, or g + μv with Nesterov). One departure: PyTorch starts v at the first gradient,
 * which is the same as starting at zero here.
 *
 * @see Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013
 */
export function sgd({ momentum = 0, nesterov = false, weightDecay = 0 }: SgdSettings = {}): Optimizer {
  return {
    name: 'sgd',
    stateSlots: momentum === 0 ? [] : ['velocity'],
    scalarNames: ['learningRate'],
    scalars: (_, learningRate) => ({ learningRate }),
    update: ({ b, parameter, gradient, state, scalars, decays }) => {
      const { learningRate } = scalars;
      invariant(learningRate, 'sgd is given its learning rate');
      const total = decays && weightDecay !== 0 ? b.add(gradient, b.mul(parameter, weightDecay)) : gradient;
      const { velocity } = state;
      if (velocity === undefined) return { parameter: b.sub(parameter, b.mul(total, learningRate)), state: {} };
      const newVelocity = b.add(b.mul(velocity, momentum), total);
      const direction = nesterov ? b.add(total, b.mul(newVelocity, momentum)) : newVelocity;
      return { parameter: b.sub(parameter, b.mul(direction, learningRate)), state: { velocity: newVelocity } };
    },
  };
}

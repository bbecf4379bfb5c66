// One optimizer step over all parameters as a graph of its own, which updates parameters and state in place.
import { invariant } from '#base';
import type { Shape } from '#tensor';
import { GraphBuilder } from '../builder.ts';
import type { Graph, Value } from '../types.ts';
import type { Optimizer } from './optimizer.ts';

export interface UpdatedParameter {
  readonly name: string;
  readonly shape: Shape;
  /** Whether weight decay applies: matrices, by custom, but not gains and biases. */
  readonly decays: boolean;
}

/** Names of the tensors in an update graph. */
export const gradientName = (name: string): string => `gradient:${name}`;
export const stateName = (slot: string, name: string): string => `${slot}:${name}`;
export const scalarInputName = (scalar: string): string => `scalar:${scalar}`;

/** Inputs: every gradient, and `scalar:gradientScale`. Output: `gradientNorm`, the global norm of the scaled gradients. */
export function buildNormGraph(parameters: readonly UpdatedParameter[]): Graph {
  const b = new GraphBuilder('norm');
  const gradientScale = b.input(scalarInputName('gradientScale'), 'float32', []);
  const all = parameters.map(({ name, shape }) => b.input(gradientName(name), 'float32', shape));
  return b.graph({ gradientNorm: b.mul(globalNorm(b, all), gradientScale) });
}

/**
 * Inputs: every parameter, its gradient and state, the optimizer's scalars, and `scalar:gradientScale` (1 / accumulated batches).
 * Outputs: parameters and state under the same names (bind them to the same buffers: each is read before it is written), and
 * `gradientNorm`, the global norm before clipping.
 *
 * @param clipNorm - gradients are scaled so that their global norm is at most this; absent for no clipping
 * @param norm - `given`: the norm is the input `scalar:gradientNorm` (if there is clipping) instead of an output, for callers that
 *   look at it (`buildNormGraph`) before anything is changed
 */
export function buildUpdateGraph(
  parameters: readonly UpdatedParameter[],
  optimizer: Optimizer,
  clipNorm?: number,
  norm: 'computed' | 'given' = 'computed',
): Graph {
  const b = new GraphBuilder('update');
  const gradientScale = b.input(scalarInputName('gradientScale'), 'float32', []);
  const scalars = Object.fromEntries(optimizer.scalarNames.map((name) => [name, b.input(scalarInputName(name), 'float32', [])] as const));
  const gradientOf = new Map(parameters.map(({ name, shape }) => [name, b.input(gradientName(name), 'float32', shape)] as const));

  const gradientNorm = (): Value =>
    norm === 'given'
      ? b.input(scalarInputName('gradientNorm'), 'float32', [])
      : b.mul(globalNorm(b, [...gradientOf.values()]), gradientScale);
  const outputs: Record<string, Value> = norm === 'given' ? {} : { gradientNorm: gradientNorm() };
  // PyTorch's rule: factor = min(1, limit / (norm + 1e-6)).
  const clip = (limit: number): Value => {
    const measured = outputs['gradientNorm'] ?? gradientNorm();
    return b.minimum(b.div(b.scalar(limit, 'float32'), b.add(measured, 1e-6)), 1);
  };
  const factor = clipNorm === undefined ? gradientScale : b.mul(clip(clipNorm), gradientScale);

  for (const { name, shape, decays } of parameters)
    b.at(name, () => {
      const gradient = gradientOf.get(name);
      invariant(gradient !== undefined, `gradient of ${name} is declared`);
      const state = Object.fromEntries(
        optimizer.stateSlots.map((slot) => [slot, b.input(stateName(slot, name), 'float32', shape)] as const),
      );
      const updated = optimizer.update({
        b,
        parameter: b.input(name, 'float32', shape),
        gradient: b.mul(gradient, factor),
        state,
        scalars,
        decays,
      });
      outputs[name] = updated.parameter;
      for (const [slot, value] of Object.entries(updated.state)) outputs[stateName(slot, name)] = value;
    });
  return b.graph(outputs);
}

/** √Σ‖g‖², over all gradients. */
export function globalNorm(b: GraphBuilder, gradients: readonly Value[]): Value {
  const squares = gradients.map((gradient) =>
    b.reduceSum(
      b.mul(gradient, gradient),
      gradient.shape.map((_, axis) => axis),
    ),
  );
  return b.sqrt(squares.reduce((sum, square) => b.add(sum, square)));
}

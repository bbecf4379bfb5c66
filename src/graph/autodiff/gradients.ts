// Reverse-mode differentiation, graph to graph.
import { AppError, at, invariant } from '#base';
import { zeros } from '#tensor';
import type { GraphBuilder } from '../builder.ts';
import { orderFrom, valueKey } from '../order.ts';
import { definitionOf, opName } from '../registry.ts';
import type { Node, Value } from '../types.ts';

/**
 * Gradients of a scalar with respect to some of the values it was made from, as new nodes of the same kind of graph.
 *
 * Each node on a path from `wrt` to `loss` is visited once, in reverse order; the contributions of a value's uses are added
 * in the order in which they arise. Nothing is computed for operands that lead to no member of `wrt`.
 *
 * @param loss - shape []
 * @returns one value for each member of `wrt`, of its shape; zeros where the loss does not depend on it
 * @throws AppError `not_differentiable` when the only way back leads through an op without a gradient
 */
export function gradients(b: GraphBuilder, loss: Value, wrt: readonly Value[]): readonly Value[] {
  if (loss.shape.length !== 0)
    throw new AppError('shape_mismatch', `gradients: the loss must be a scalar, its shape is [${loss.shape.join(', ')}].`);
  const order = orderFrom([loss]);
  const isOnPath = reachesAny(order, wrt);
  const sums = new Map<string, Value>([[valueKey(loss), b.scalar(1, loss.dtype)]]);

  for (const node of order.reverse()) {
    if (!node.operands.some((operand) => isOnPath.has(operand.node))) continue;
    const dResults = node.types.map((_, index) => sums.get(valueKey({ node, index, ...at(node.types, index) })));
    if (dResults.every((gradient) => gradient === undefined)) continue;
    const operandGradients = b.at(`d(${node.place === '' ? node.op : node.place})`, () => applyRule(b, node, dResults, isOnPath));
    node.operands.forEach((operand, index) => {
      const gradient = operandGradients[index];
      if (gradient === null || gradient === undefined || !isOnPath.has(operand.node)) return;
      const key = valueKey(operand);
      const earlier = sums.get(key);
      sums.set(key, earlier === undefined ? gradient : b.add(earlier, gradient));
    });
  }
  return wrt.map((value) => sums.get(valueKey(value)) ?? zerosLike(b, value));
}

/** Nodes from which a member of `wrt` can be reached through operands. */
function reachesAny(order: readonly Node[], wrt: readonly Value[]): ReadonlySet<Node> {
  const reaching = new Set(wrt.map(({ node }) => node));
  for (const node of order) if (node.operands.some((operand) => reaching.has(operand.node))) reaching.add(node);
  return reaching;
}

function applyRule(
  b: GraphBuilder,
  node: Node,
  dResults: readonly (Value | undefined)[],
  isOnPath: ReadonlySet<Node>,
): readonly (Value | null)[] {
  const { vjp } = definitionOf(opName(node));
  if (vjp === 'not-differentiable')
    throw new AppError(
      'not_differentiable',
      `${node.op}${node.place === '' ? '' : ` "${node.place}"`}: has no gradient, and the loss needs one through it.`,
    );
  const results = node.types.map((type, index): Value => ({ node, index, ...type }));
  const y = at(results, 0);
  const operandGradients = vjp({
    operands: node.operands,
    y,
    results,
    dY: dResults[0] ?? zerosLike(b, y),
    dResults,
    attrs: node.attrs,
    b,
    needed: node.operands.map((operand) => isOnPath.has(operand.node)),
  });
  invariant(operandGradients.length === node.operands.length, `the gradient rule of ${node.op} gives one entry an operand`);
  return operandGradients;
}

function zerosLike(b: GraphBuilder, value: Value): Value {
  const zero = b.constant({ dtype: value.dtype, shape: [], data: zeros(value.dtype, 1) });
  return b.broadcastTo(zero, value.shape);
}

// x·W + bias in 8-bit integers in one kernel: the addition is done while the sums become floats.
import { at } from '#base';
import { countUses, type Graph, type Node, type Value } from '#graph';

/** The bias [N] of each integer product that is used once, by the addition of it; found by the addition. */
export interface BiasedProduct {
  readonly product: Node;
  readonly bias: Value;
}

export function biasedProducts(graph: Graph, order: readonly Node[]): ReadonlyMap<Node, BiasedProduct> {
  const uses = countUses(graph);
  const found = new Map<Node, BiasedProduct>();
  for (const node of order) {
    if (node.op !== 'add') continue;
    const isProduct = ({ node: { op, types }, node: operand }: Value): boolean =>
      op === 'matmulInt8' && types[0]?.dtype === 'float32' && uses.get(operand) === 1;
    const product = node.operands.find(isProduct);
    const bias = node.operands.find((operand) => operand !== product);
    if (product === undefined || bias === undefined || bias.shape.length !== 1) continue;
    if (bias.shape[0] === product.shape.at(-1) && at(node.types, 0).shape.length === product.shape.length)
      found.set(node, { product: product.node, bias });
  }
  return found;
}

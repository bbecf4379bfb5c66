// x·W + bias in 8-bit integers in one kernel: the addition is done while the sums become floats.
import { at } from '#base';
import { attrsOf, countUses, type Graph, type Node, type Value } from '#graph';
import type { Int8Weights } from './lowering.ts';

/** The bias [N] of each integer product that is used once, by the addition of it; found by the addition. */
export interface BiasedProduct {
  readonly product: Node;
  readonly bias: Value;
}

/** @param int8Weights - of the kernels on the device */
export function biasedProducts(graph: Graph, order: readonly Node[], int8Weights: Int8Weights): ReadonlyMap<Node, BiasedProduct> {
  const uses = countUses(graph);
  const found = new Map<Node, BiasedProduct>();
  for (const node of order) {
    if (node.op !== 'add') continue;
    const isProduct = ({ node: operand }: Value): boolean =>
      at(operand.types, 0).dtype === 'float32' && uses.get(operand) === 1 && addsBias(operand, int8Weights);
    const product = node.operands.find(isProduct);
    const bias = node.operands.find((operand) => operand !== product);
    if (product === undefined || bias === undefined || bias.shape.length !== 1) continue;
    if (bias.shape[0] === product.shape.at(-1) && at(node.types, 0).shape.length === product.shape.length)
      found.set(node, { product: product.node, bias });
  }
  return found;
}

/** Whether the kernel of a product adds a bias on its way. */
function addsBias(node: Node, int8Weights: Int8Weights): boolean {
  if (node.op === 'roundedMatmul') return int8Weights === 'int8' && attrsOf(node, 'roundedMatmul').scales === 'tensor';
  return node.op === 'matmulInt8';
}

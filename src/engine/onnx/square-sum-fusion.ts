// Σx² without the tensor of squares: norms of gradients.
import { at } from '#base';
import { attrsOf, countUses, type Graph, type Node } from '#graph';
import type { ModelBuilder, Ref } from './model-builder.ts';

/** Products of a value with itself whose only use is a sum. */
export function summedSquares(graph: Graph, order: readonly Node[]): ReadonlySet<Node> {
  const found = new Set<Node>();
  const uses = countUses(graph);
  for (const node of order) {
    if (node.op !== 'reduceSum') continue;
    const product = at(node.operands, 0).node;
    const [left, right] = product.operands;
    const isSquare = product.op === 'mul' && left?.node === right?.node && left?.index === right?.index;
    const hasKernel = product.types[0]?.dtype === 'float32' || product.types[0]?.dtype === 'float64';
    if (isSquare && hasKernel && uses.get(product) === 1) found.add(product);
  }
  return found;
}

/** The sum of the squares of `x`. */
export function sumSquares(x: Ref, sum: Node, emit: ModelBuilder): Ref {
  const { axes, keepDims } = attrsOf(sum, 'reduceSum');
  return emit.op('ReduceSumSquare', [x, emit.integers(axes)], { keepdims: Number(keepDims) });
}

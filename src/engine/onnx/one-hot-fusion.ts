// x - oneHot(ids) without the one-hot tensor: the gradient of a cross-entropy loss over a large vocabulary.
import { at } from '#base';
import { countUses, type Graph, type Node } from '#graph';
import { fromNumbers, hostTensor, sameShape } from '#tensor';
import type { ModelBuilder, Ref } from './model-builder.ts';

/** One-hot nodes that are used once, on the right of a subtraction from a tensor of their own shape. */
export function subtractedOneHots(graph: Graph, order: readonly Node[]): ReadonlySet<Node> {
  const uses = countUses(graph);
  const isUsedOnce = (node: Node): boolean => node.op === 'oneHot' && uses.get(node) === 1;
  const found = new Set<Node>();
  for (const node of order) {
    if (node.op !== 'sub') continue;
    const [left, right] = [at(node.operands, 0), at(node.operands, 1)];
    if (isUsedOnce(right.node) && sameShape(left.shape, right.shape)) found.add(right.node);
  }
  return found;
}

/** Subtracts 1 at each row's index; the runtime writes over `x` where nothing else reads it. */
export function subtractOneHot(x: Ref, ids: Ref, oneHot: Node, emit: ModelBuilder): Ref {
  const idShape = at(oneHot.operands, 0).shape;
  const shape = emit.shape([...idShape, 1]);
  const indices = emit.op('Reshape', [ids, shape]);
  const minusOnes = emit.op('ConstantOfShape', [shape], { value: hostTensor('float32', [1], fromNumbers('float32', [-1])) });
  return emit.op('ScatterElements', [x, indices, minusOnes], { axis: idShape.length, reduction: 'add' });
}

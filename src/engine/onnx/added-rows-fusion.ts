// x + scatterAdd(ids, rows) without a table of zeros: the gradient of an embedding that is also the head.
import { at } from '#base';
import { countUses, type Graph, type Node } from '#graph';
import { sameShape } from '#tensor';
import type { ModelBuilder, Ref } from './model-builder.ts';

/** scatterAdd nodes that are used once, on either side of an addition to a tensor of their own shape. */
export function addedRows(graph: Graph, order: readonly Node[]): ReadonlySet<Node> {
  const uses = countUses(graph);
  const isUsedOnce = (node: Node): boolean => node.op === 'scatterAdd' && uses.get(node) === 1;
  const found = new Set<Node>();
  for (const node of order) {
    if (node.op !== 'add') continue;
    const [left, right] = [at(node.operands, 0), at(node.operands, 1)];
    if (!sameShape(left.shape, right.shape)) continue;
    // Only one side can be the base of the other.
    if (isUsedOnce(right.node)) found.add(right.node);
    else if (isUsedOnce(left.node)) found.add(left.node);
  }
  return found;
}

/** Adds rows at each index; the runtime writes over `base` where nothing else reads it. */
export function addRows(base: Ref, ids: Ref, updates: Ref, emit: ModelBuilder): Ref {
  return emit.op('ScatterND', [base, emit.op('Unsqueeze', [ids, emit.integers([-1])]), updates], { reduction: 'add' });
}

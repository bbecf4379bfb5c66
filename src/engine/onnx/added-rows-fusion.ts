// x + scatterAdd(ids, rows) without a table of zeros: the gradient of an embedding that is also the head.
import { at } from '#base';
import type { Graph, Node } from '#graph';
import { sameShape } from '#tensor';
import type { ModelBuilder, Ref } from './model-builder.ts';

/** scatterAdd nodes that are used once, on either side of an addition to a tensor of their own shape. */
export function addedRows(graph: Graph, order: readonly Node[]): ReadonlySet<Node> {
  const numUses = new Map<Node, number>();
  const count = (node: Node): void => {
    if (node.op === 'scatterAdd') numUses.set(node, (numUses.get(node) ?? 0) + 1);
  };
  for (const node of order) for (const operand of node.operands) count(operand.node);
  for (const { value } of graph.outputs) count(value.node);
  const found = new Set<Node>();
  for (const node of order) {
    if (node.op !== 'add') continue;
    const [left, right] = [at(node.operands, 0), at(node.operands, 1)];
    if (!sameShape(left.shape, right.shape)) continue;
    // Only one side can be the base of the other.
    if (numUses.get(right.node) === 1) found.add(right.node);
    else if (numUses.get(left.node) === 1) found.add(left.node);
  }
  return found;
}

/** Adds rows at each index; the runtime writes over `base` where nothing else reads it. */
export function addRows(base: Ref, ids: Ref, updates: Ref, emit: ModelBuilder): Ref {
  return emit.op('ScatterND', [base, emit.op('Unsqueeze', [ids, emit.integers([-1])]), updates], { reduction: 'add' });
}

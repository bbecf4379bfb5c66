// Rebuilds a graph node by node: what every pass is made of.
import { at, invariant } from '#base';
import { GraphBuilder } from '../builder.ts';
import { topologicalOrder } from '../order.ts';
import { type OpName, opName } from '../registry.ts';
import type { Graph, Node, Value } from '../types.ts';

/**
 * Decides what stands in place of one node.
 *
 * @param operands - the node's operands, already replaced
 * @returns the values for its results, or undefined to keep the node
 */
export type Rewrite = (node: Node, operands: readonly Value[], b: GraphBuilder) => readonly Value[] | undefined;

/** Applies `rewrite` to every node in topological order. Inputs stay the same nodes; dead nodes are not visited. */
export function rewriteGraph(graph: Graph, rewrite: Rewrite): Graph {
  const b = new GraphBuilder();
  const replaced = new Map<Node, readonly Value[]>();
  const lookUp = (value: Value): Value => {
    const results = replaced.get(value.node);
    return results === undefined ? value : at(results, value.index);
  };
  for (const node of topologicalOrder(graph)) {
    const operands = node.operands.map(lookUp);
    const made = b.at(node.place, () => rewrite(node, operands, b)) ?? keep(node, operands, b);
    invariant(made.length === node.types.length, `a pass replaced ${node.op} by another number of results`);
    replaced.set(node, made);
  }
  return { inputs: graph.inputs, outputs: graph.outputs.map(({ name, value }) => ({ name, value: lookUp(value) })) };
}

/** The same node if its operands did not change, else a copy over the new ones. */
function keep(node: Node, operands: readonly Value[], b: GraphBuilder): readonly Value[] {
  const isUnchanged = operands.every((operand, index) => {
    const before = at(node.operands, index);
    return operand.node === before.node && operand.index === before.index;
  });
  if (isUnchanged) return node.types.map((type, index) => ({ node, index, ...type }));
  const name: OpName = opName(node);
  return b.at(node.place, () => b.apply(name, operands, node.attrs));
}

// Walking a graph: topological order and where each value is used.
import type { Graph, Node, Value } from './types.ts';

/**
 * The nodes that the outputs need, each after its operands.
 *
 * Depth first from the outputs in their order, so that a chain of cheap ops stands together and its values are reused while they are in cache.
 */
export function topologicalOrder(graph: Graph): Node[] {
  return orderFrom(graph.outputs.map(({ value }) => value));
}

export function orderFrom(roots: readonly Value[]): Node[] {
  const ordered: Node[] = [];
  const seen = new Set<Node>();
  // An explicit stack: training graphs are deeper than the call stack.
  const stack: { node: Node; next: number }[] = [];
  for (const root of roots) {
    if (seen.has(root.node)) continue;
    seen.add(root.node);
    stack.push({ node: root.node, next: 0 });
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const operand = top.node.operands[top.next];
      if (operand === undefined) {
        ordered.push(top.node);
        stack.pop();
        continue;
      }
      top.next += 1;
      if (!seen.has(operand.node)) {
        seen.add(operand.node);
        stack.push({ node: operand.node, next: 0 });
      }
    }
  }
  return ordered;
}

/** How many operands and outputs take a result of each node that the outputs need. */
export function countUses(graph: Graph): ReadonlyMap<Node, number> {
  const uses = new Map<Node, number>();
  const count = ({ node }: Value): void => {
    uses.set(node, (uses.get(node) ?? 0) + 1);
  };
  for (const node of topologicalOrder(graph)) node.operands.forEach(count);
  for (const { value } of graph.outputs) count(value);
  return uses;
}

/** The same value wherever it is met: values are made anew by some callers, nodes are not. */
export function valueKey(value: Value): string {
  return `${value.node.id}.${value.index}`;
}

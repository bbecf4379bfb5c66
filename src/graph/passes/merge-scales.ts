// A product by a constant behind a matrix product becomes the product's own scale, which its kernel applies for free.
import { at } from '#base';
import { attrsOf } from '../registry.ts';
import type { Graph, Value } from '../types.ts';
import { rewriteGraph } from './rewrite.ts';

/** Folds scalar factors: (x·c1)·c2 -> x·(c1·c2), and c·matmul(a, b) -> matmul with scale. */
export function reassociateScales(graph: Graph): Graph {
  const uses = countUses(graph);
  return rewriteGraph(graph, (node, operands, b) => {
    if (node.op !== 'mul') return undefined;
    const [first, second] = [at(operands, 0), at(operands, 1)];
    const [x, factor] = scalarOf(second) === undefined ? [second, scalarOf(first)] : [first, scalarOf(second)];
    const original = at(node.operands, scalarOf(second) === undefined ? 1 : 0);
    // A value with other uses is needed unscaled too: scaling it twice costs more than the multiplication.
    if (factor === undefined || (uses.get(original.node) ?? 0) > 1) return undefined;
    if (x.node.op === 'matmul') {
      const attrs = attrsOf(x.node, 'matmul');
      return b.apply('matmul', x.node.operands, { ...attrs, scale: attrs.scale * factor });
    }
    if (x.node.op !== 'mul') return undefined;
    const [inner, other] = [at(x.node.operands, 0), at(x.node.operands, 1)];
    const innerFactor = scalarOf(other);
    return innerFactor === undefined ? undefined : [b.mul(inner, factor * innerFactor)];
  });
}

/** The number, if the value is a scalar constant of a type whose products are exact enough to merge. */
function scalarOf(value: Value): number | undefined {
  if (value.node.op !== 'constant' || value.shape.length !== 0) return undefined;
  const { value: tensor } = attrsOf(value.node, 'constant');
  return tensor.dtype === 'float32' || tensor.dtype === 'float64' ? Number(tensor.data[0]) : undefined;
}

function countUses(graph: Graph): ReadonlyMap<Value['node'], number> {
  const uses = new Map<Value['node'], number>();
  const visited = new Set<Value['node']>();
  const stack = graph.outputs.map(({ value }) => value);
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    uses.set(value.node, (uses.get(value.node) ?? 0) + 1);
    if (visited.has(value.node)) continue;
    visited.add(value.node);
    stack.push(...value.node.operands);
  }
  return uses;
}

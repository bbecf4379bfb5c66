// A product by a constant behind a matrix product becomes the product's own scale, which its kernel applies for free.
import { at } from '#base';
import type { DType } from '#tensor';
import { countUses } from '../order.ts';
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
      const scale = attrs.scale * factor;
      return isSafe(scale, x.dtype) ? b.apply('matmul', x.node.operands, { ...attrs, scale }) : undefined;
    }
    if (x.node.op !== 'mul') return undefined;
    const [inner, other] = [at(x.node.operands, 0), at(x.node.operands, 1)];
    const innerFactor = scalarOf(other);
    if (innerFactor === undefined || !isSafe(factor * innerFactor, x.dtype)) return undefined;
    return [b.mul(inner, factor * innerFactor)];
  });
}

/** Two factors may overflow or vanish together although neither does alone. */
function isSafe(product: number, dtype: DType): boolean {
  const held = Math.abs(dtype === 'float64' ? product : Math.fround(product));
  return held > 0 && held < Number.POSITIVE_INFINITY;
}

/** The number, if the value is a scalar constant of a type whose products are exact enough to merge. */
function scalarOf(value: Value): number | undefined {
  if (value.node.op !== 'constant' || value.shape.length !== 0) return undefined;
  const { value: tensor } = attrsOf(value.node, 'constant');
  return tensor.dtype === 'float32' || tensor.dtype === 'float64' ? Number(tensor.data[0]) : undefined;
}

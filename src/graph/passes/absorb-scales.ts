// A tensor that is scaled only to enter matrix products is not scaled: the products are.
import { at } from '#base';
import { sameShape } from '#tensor';
import { topologicalOrder } from '../order.ts';
import { attrsOf } from '../registry.ts';
import type { Graph, Node, Value } from '../types.ts';
import { rewriteGraph } from './rewrite.ts';

/**
 * matmul(c·x, w) -> matmul(x, w) with scale c, for c·x that has no other use.
 *
 * The gradient of a mean over tokens multiplies the whole [N, V] gradient of the logits by 1/N before its two products: this saves that pass.
 */
export function absorbScales(graph: Graph): Graph {
  const absorbed = scalesForMatmulsOnly(graph);
  return rewriteGraph(graph, (node, operands, b) => {
    const scaled = absorbed.get(node);
    if (scaled !== undefined) return [at(operands, scaled.operand)];
    if (node.op !== 'matmul') return undefined;
    const factor = node.operands.reduce((product, { node: operand }) => product * (absorbed.get(operand)?.factor ?? 1), 1);
    if (factor === 1) return undefined;
    const attrs = attrsOf(node, 'matmul');
    return b.apply('matmul', operands, { ...attrs, scale: attrs.scale * factor });
  });
}

interface Scaled {
  /** Index of the operand that is scaled. */
  readonly operand: number;
  readonly factor: number;
}

function scalesForMatmulsOnly(graph: Graph): ReadonlyMap<Node, Scaled> {
  const found = new Map<Node, Scaled>();
  for (const node of topologicalOrder(graph)) {
    const scaled = scaledBy(node);
    if (scaled !== undefined) found.set(node, scaled);
    if (node.op !== 'matmul') for (const operand of node.operands) found.delete(operand.node);
  }
  for (const { value } of graph.outputs) found.delete(value.node);
  return found;
}

/** The factor of a product with a constant whose elements are all equal, where the product has the other operand's shape. */
function scaledBy(node: Node): Scaled | undefined {
  if (node.op !== 'mul') return undefined;
  for (const operand of [0, 1]) {
    const factor = equalElements(at(node.operands, 1 - operand));
    const x = at(node.operands, operand);
    if (factor !== undefined && x.shape.length >= 2 && sameShape(x.shape, at(node.types, 0).shape)) return { operand, factor };
  }
  return undefined;
}

function equalElements(value: Value): number | undefined {
  if (value.node.op !== 'constant') return undefined;
  const { value: tensor } = attrsOf(value.node, 'constant');
  if (tensor.dtype !== 'float32' && tensor.dtype !== 'float64') return undefined;
  const first = Number(tensor.data[0]);
  // Far from where a product of two scales could overflow or vanish.
  const isOrdinary = Math.abs(first) > 1e-12 && Math.abs(first) < 1e12;
  return isOrdinary && tensor.data.every((element) => Number(element) === first) ? first : undefined;
}

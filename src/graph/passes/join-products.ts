// Sums of matrix products with equally shaped results become one product: the gradient of a weight that is applied to rows in pieces.
import { at } from '#base';
import type { Shape } from '#tensor';
import { countUses } from '../order.ts';
import { attrsOf } from '../registry.ts';
import type { Graph, MatmulAttrs, Node, Value } from '../types.ts';
import { rewriteGraph } from './rewrite.ts';

/** The operands of products that a tree of adds sums up. */
interface Products {
  readonly attrs: MatmulAttrs;
  readonly left: readonly Value[];
  readonly right: readonly Value[];
}

/**
 * Rewrites a₁·b₁ + a₂·b₂ + … to [a₁ a₂ …]·[b₁; b₂; …], with transposes and one scale for all: no sum of large results is left.
 *
 * Products and adds must have no other use: their own values would be needed too. The operands are copied, so it is done only where
 * they are smaller than the results that are not added: for the head of a language model, not for the inputs of a layer.
 */
export function joinProducts(graph: Graph): Graph {
  const uses = countUses(graph);
  /** By product and by add that stands for a joined product. */
  const gathered = new Map<Node, Products>();
  return rewriteGraph(graph, (node, operands, b) => {
    const isMatrix = at(node.types, 0).shape.length === 2;
    if (node.op === 'matmul' && isMatrix && operands.every(({ shape }) => shape.length === 2)) {
      gathered.set(node, { attrs: attrsOf(node, 'matmul'), left: [at(operands, 0)], right: [at(operands, 1)] });
      return undefined;
    }
    if (node.op !== 'add') return undefined;
    const [first, second] = node.operands.map((before) => (uses.get(before.node) === 1 ? gathered.get(before.node) : undefined));
    if (first === undefined || second === undefined || !sameAttrs(first.attrs, second.attrs)) return undefined;
    const { attrs } = first;
    const [left, right] = [
      [...first.left, ...second.left],
      [...first.right, ...second.right],
    ];
    if (!(elements([...left, ...right]) <= (left.length - 1) * elements([{ shape: at(node.types, 0).shape }]))) return undefined;
    gathered.set(node, { attrs, left, right });
    return [b.matmul(b.concat(left, attrs.transposeA ? 0 : 1), b.concat(right, attrs.transposeB ? 1 : 0), attrs)];
  });
}

/** NaN where a size is known at run time only. */
function elements(values: readonly { readonly shape: Shape }[]): number {
  const count = (shape: Shape): number => shape.reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : Number.NaN), 1);
  return values.reduce((sum, { shape }) => sum + count(shape), 0);
}

function sameAttrs(a: MatmulAttrs, b: MatmulAttrs): boolean {
  return a.transposeA === b.transposeA && a.transposeB === b.transposeB && a.scale === b.scale;
}

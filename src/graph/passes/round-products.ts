// Products of activations and weights, forward and back to the activations, become products in 8-bit integers; gradients of weights where that is asked for.
import { at } from '#base';
import { topologicalOrder } from '../order.ts';
import { attrsOf } from '../registry.ts';
import type { Graph, Node, RoundedMatmulAttrs, Value } from '../types.ts';
import { rewriteGraph } from './rewrite.ts';

/** What one product sums over, and how many sums a row of its result has. */
export interface ProductSizes {
  readonly inner: number;
  readonly columns: number;
}

export interface RoundProductsOptions {
  /** Names of the inputs that are weights. What follows from them alone is a weight too: a sparse matrix, say, or one on its way to few bits. */
  readonly weights: ReadonlySet<string>;
  readonly scales: RoundedMatmulAttrs['scales'];
  /** Gradients of weights too. */
  readonly roundsGradients?: boolean;
  /** Products that stay in floats; of a gradient, the larger side of the weight is what a product sums over. */
  readonly staysExact?: (sizes: ProductSizes) => boolean;
}

/** Thinner products cost more to round than they save: adapters, heads of classifiers. */
const leastSide = 32;

/** Sums of so many products of codes stay within 32 bits. */
const mostRows = 2 ** 16;

/**
 * x·W and dY·Wᵀ -> `roundedMatmul`, for W [K, N] that follows from weights alone; and where gradients are rounded too, xᵀ·dY -> `roundedGradient`. Give it a
 * graph that is differentiated already: gradients then pass straight through the rounding.
 *
 * Otherwise gradients of weights, which sum over all tokens of a batch, stay in floats, as does what is computed from them.
 *
 * @see M. Wortsman et al., "Stable and low-precision training for large-scale vision-language models", NeurIPS 2023, §2 (SwitchBack). We differ: a weight
 * has a scale for each column of the product and not one for all.
 */
export function roundProducts(
  graph: Graph,
  { weights, scales, roundsGradients = false, staysExact = () => false }: RoundProductsOptions,
): Graph {
  const { ofWeights, ofWeightGradients, weightGradients } = origins(graph, weights);
  const isRounded = (sizes: ProductSizes | undefined): boolean =>
    sizes !== undefined && Math.min(sizes.inner, sizes.columns) >= leastSide && !staysExact(sizes);
  return rewriteGraph(graph, (node, operands, b) => {
    if (node.op !== 'matmul') return undefined;
    const [x, w] = [at(node.operands, 0), at(node.operands, 1)];
    const { transposeA, transposeB, scale } = attrsOf(node, 'matmul');
    const [left, right] = [at(operands, 0), at(operands, 1)];
    if (roundsGradients && weightGradients.has(node) && !transposeB)
      return isRounded(gradientSizes(node)) ? [b.roundedGradient(left, right, { scale })] : undefined;
    if (transposeA || !ofWeights.has(w.node) || ofWeights.has(x.node) || ofWeightGradients.has(x.node)) return undefined;
    return isRounded(sizesOf(w, transposeB)) ? [b.roundedMatmul(left, right, { scales, transposeB, scale })] : undefined;
  });
}

/** Undefined for what is no float32 matrix of known sizes. */
function sizesOf({ dtype, shape }: Value, transposeB: boolean): ProductSizes | undefined {
  const [rows, columns] = shape;
  if (dtype !== 'float32' || shape.length !== 2 || typeof rows !== 'number' || typeof columns !== 'number') return undefined;
  return transposeB ? { inner: columns, columns: rows } : { inner: rows, columns };
}

/** Of xᵀ·dY, as if it were a product with the weight: a sum over its larger side. Undefined too where there are more rows than 32 bits can sum. */
function gradientSizes(product: Node): ProductSizes | undefined {
  const { dtype, shape } = at(product.operands, 0);
  const [[rows], [K, N]] = [shape, at(product.types, 0).shape];
  if (dtype !== 'float32' || typeof rows !== 'number' || rows >= mostRows || typeof K !== 'number' || typeof N !== 'number')
    return undefined;
  return { inner: Math.max(K, N), columns: Math.min(K, N) };
}

interface Origins {
  /** Nodes that follow from weights and constants alone. */
  readonly ofWeights: ReadonlySet<Node>;
  /** Nodes that follow from the gradient of a weight. */
  readonly ofWeightGradients: ReadonlySet<Node>;
  /** Products that are gradients of matrices that follow from weights. */
  readonly weightGradients: ReadonlySet<Node>;
}

function origins(graph: Graph, weights: ReadonlySet<string>): Origins {
  const ofWeights = new Set<Node>();
  const ofWeightGradients = new Set<Node>();
  const weightGradients = new Set<Node>();
  const order = topologicalOrder(graph);
  for (const node of order) {
    const operands = node.operands.map((operand) => operand.node);
    if (node.op === 'input' ? weights.has(attrsOf(node, 'input').name) : operands.every((operand) => ofWeights.has(operand)))
      ofWeights.add(node);
  }
  const factors = order.flatMap(({ op, operands }) => (op === 'matmul' ? operands.filter((operand) => ofWeights.has(operand.node)) : []));
  const shapes = new Set(factors.flatMap(({ shape }) => [shape.join(), shape.toReversed().join()]));
  for (const node of order) {
    const operands = node.operands.map((operand) => operand.node);
    const follows = operands.some((operand) => ofWeightGradients.has(operand));
    const isSum = node.op === 'matmul' && isSumOverRows(node) && !operands.some((operand) => ofWeights.has(operand));
    const isWeightGradient = isSum && !follows && shapes.has(at(node.types, 0).shape.join());
    if (isWeightGradient) weightGradients.add(node);
    if (isWeightGradient || follows) ofWeightGradients.add(node);
  }
  return { ofWeights, ofWeightGradients, weightGradients };
}

/** [rows, K]ᵀ·[rows, N] */
function isSumOverRows(product: Node): boolean {
  return attrsOf(product, 'matmul').transposeA && product.operands.every(({ shape }) => shape.length === 2);
}

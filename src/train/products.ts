// Which products of a training are multiplied in 8-bit integers, and what that asks of the engine.
import { AppError } from '#base';
import type { Engine } from '#engine';
import { type Graph, type ProductSizes, roundProducts } from '#graph';

/**
 * How the student's activations and their gradients are multiplied by weights: in floats, or rounded to 8 bits with a scale for each token
 * (`int8`) or one for all of a batch (`int8PerTensor`, a little faster and less exact). Gradients of weights stay in floats, but for `int8All`, which
 * is `int8` with gradients of weights from numbers rounded with one scale. Attention and updates are in floats always.
 */
export const productKinds = ['float32', 'int8', 'int8PerTensor', 'int8All'] as const;
export type Products = (typeof productKinds)[number];

/** A sum over so many times more numbers than it has columns is one over the vocabulary. */
const headShare = 8;

/**
 * Products with the gradient of the logits stay in floats: of a token's thousands of numbers the right one is large and
 * all others small, and together they weigh as much, but in 127 steps up to the largest they are zeros.
 */
const isHeadGradient = ({ inner, columns }: ProductSizes): boolean => inner >= headShare * columns;

/** @param weights - names of the inputs that hold the student's tensors and those of its scheme */
export function withProducts(graph: Graph, products: Products | undefined, weights: ReadonlySet<string>): Graph {
  if (products === undefined || products === 'float32') return graph;
  const scales = products === 'int8PerTensor' ? 'tensor' : 'row';
  return roundProducts(graph, { weights, scales, roundsGradients: products === 'int8All', staysExact: isHeadGradient });
}

/** @throws AppError `unsupported` where floats would be as fast: what rounding costs buys nothing there */
export function checkProducts(
  { name, device, hasFastInt8 }: Pick<Engine, 'name' | 'device' | 'hasFastInt8'>,
  products: Products | undefined,
  field = 'products',
): void {
  if (products === undefined || products === 'float32' || hasFastInt8) return;
  throw new AppError(
    'unsupported',
    `${field}: ${products} needs 8-bit products that are faster than those of floats, which ${name} on ${device} does not have (processors with VNNI or AMX do). Leave it out.`,
    { details: { field } },
  );
}

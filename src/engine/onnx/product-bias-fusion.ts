// x·W + bias in integers in one kernel: the addition is done while the sums become floats.
import { at } from '#base';
import { attrsOf, countUses, type Graph, type Node, type Value } from '#graph';
import type { Int8Weights } from './lowering.ts';
import { hasGroupedKernel } from './lowerings/own-n-bits.ts';

/** The bias [N] of each integer product that is used once, by the addition of it; found by the addition. */
export interface BiasedProduct {
  readonly product: Node;
  readonly bias: Value;
}

export interface BiasKernels {
  readonly int8Weights: Int8Weights;
  readonly ownKernels: boolean;
  /** Names of inputs that never change. */
  readonly frozen: { has(name: string): boolean };
}

/** @param kernels - what there is on the device */
export function biasedProducts(graph: Graph, order: readonly Node[], kernels: BiasKernels): ReadonlyMap<Node, BiasedProduct> {
  const uses = countUses(graph);
  const found = new Map<Node, BiasedProduct>();
  for (const node of order) {
    if (node.op !== 'add') continue;
    for (const product of node.operands) {
      const bias = node.operands.find((operand) => operand !== product);
      if (bias === undefined || bias.shape.length !== 1 || uses.get(product.node) !== 1) continue;
      const isFit = bias.shape[0] === product.shape.at(-1) && at(node.types, 0).shape.length === product.shape.length;
      if (!isFit || product.dtype !== 'float32' || !addsBias(product.node, bias, kernels)) continue;
      found.set(node, { product: product.node, bias });
      break;
    }
  }
  return found;
}

/** Whether the kernel of a product adds a bias on its way. */
function addsBias(node: Node, bias: Value, { int8Weights, ownKernels, frozen }: BiasKernels): boolean {
  if (node.op === 'roundedMatmul') return int8Weights === 'int8' && attrsOf(node, 'roundedMatmul').scales === 'tensor';
  if (node.op === 'matmulInt8') return true;
  if (node.op !== 'matmulNBits' || !ownKernels || !hasGroupedKernel(attrsOf(node, 'matmulNBits'))) return false;
  return [...node.operands.slice(1), bias].every((value) => value.node.op === 'input' && frozen.has(attrsOf(value.node, 'input').name));
}

// Constant folding and the algebra that costs nothing: x+0, x·1.
import { fromNumbers, hostTensor, isStatic, sizeOf, toNumbers } from '#tensor';
import { attrsOf, definitionOf, opName } from '../registry.ts';
import type { Graph, Node, PlainTensor, Value } from '../types.ts';
import { rewriteGraph } from './rewrite.ts';

/** Results larger than this stay computed: a big constant costs more memory than it saves time. */
const largestFoldedElements = 16_384;

/** Evaluates nodes whose operands are all constants, and drops ops that change nothing. */
export function foldConstants(graph: Graph): Graph {
  return rewriteGraph(graph, (node, operands, b) => {
    const simpler = simplify(node, operands);
    if (simpler !== undefined) return [simpler];
    if (!isFoldable(node, operands)) return undefined;
    const made = definitionOf(opName(node)).evaluate(
      operands.map(constantOf),
      node.attrs,
      node.types.map(({ shape }) => shape as readonly number[]),
      node.types,
    );
    const results = 'data' in made ? [made] : made;
    return results.map((result, index) => {
      const dtype = node.types[index]?.dtype ?? 'float32';
      return b.constant(hostTensor(dtype, result.shape, fromNumbers(dtype, result.data)));
    });
  });
}

function isFoldable(node: Node, operands: readonly Value[]): boolean {
  return (
    node.operands.length > 0 &&
    !readsSymbols(node) &&
    operands.every((operand) => operand.node.op === 'constant') &&
    node.types.every(({ shape }) => isStatic(shape) && sizeOf(shape) <= largestFoldedElements)
  );
}

/** Bounds that a run fixes, although the sizes of operand and result are known: one row at a symbolic position, say. */
function readsSymbols(node: Node): boolean {
  if (node.op === 'slice') return typeof attrsOf(node, 'slice').start === 'string';
  return node.op === 'pad' && typeof attrsOf(node, 'pad').before === 'string';
}

function constantOf(value: Value): PlainTensor {
  const { value: tensor } = attrsOf(value.node, 'constant');
  return { shape: tensor.shape, data: Float64Array.from(toNumbers(tensor)) };
}

function simplify(node: Node, operands: readonly Value[]): Value | undefined {
  const [x, y] = operands;
  if (x === undefined) return undefined;
  const keepsType = (value: Value): boolean => value.dtype === node.types[0]?.dtype && value.shape.join() === node.types[0]?.shape.join();
  switch (opName(node)) {
    case 'add':
      if (y !== undefined && isScalar(y, 0) && keepsType(x)) return x;
      return y !== undefined && isScalar(x, 0) && keepsType(y) ? y : undefined;
    case 'sub':
      return y !== undefined && isScalar(y, 0) && keepsType(x) ? x : undefined;
    case 'mul':
      if (y !== undefined && isScalar(y, 1) && keepsType(x)) return x;
      return y !== undefined && isScalar(x, 1) && keepsType(y) ? y : undefined;
    case 'div':
      return y !== undefined && isScalar(y, 1) && keepsType(x) ? x : undefined;
    case 'stopGradient':
      return x; // only differentiation reads it
    default:
      return undefined;
  }
}

function isScalar(value: Value, number: number): boolean {
  if (value.node.op !== 'constant') return false;
  const { value: tensor } = attrsOf(value.node, 'constant');
  return tensor.data.length === 1 && Number(tensor.data[0]) === number && tensor.dtype !== 'float16' && tensor.dtype !== 'bfloat16';
}

// Bytes of the values between a graph's inputs and its outputs that live together, for engines whose runtime gives no account of them.
import { at } from '#base';
import { type Graph, type Node, topologicalOrder } from '#graph';
import { type DimBindings, dtypeBytes, evaluateShape, sizeOf } from '#tensor';
import type { RunMemory } from './engine.ts';

/** Every value is taken to be made when it is computed and given back after its last use; none is written over another. */
export function livenessOf(graph: Graph, sizes: DimBindings = new Map()): RunMemory {
  const order = topologicalOrder(graph);
  const lastUse = new Map<Node, number>();
  for (const [index, node] of order.entries()) for (const operand of node.operands) lastUse.set(operand.node, index);
  for (const { value } of graph.outputs) lastUse.set(value.node, Number.POSITIVE_INFINITY);
  const isScratch = ({ op }: Node): boolean => op !== 'input' && op !== 'constant';
  const bytesOf = (node: Node): number =>
    node.types.reduce((sum, { dtype, shape }) => sum + dtypeBytes[dtype] * sizeOf(evaluateShape(shape, sizes)), 0);
  const outputs = new Set(graph.outputs.map(({ value }) => value.node));
  const ending = order.map((): Node[] => []);
  for (const [node, index] of lastUse) if (Number.isFinite(index) && isScratch(node)) at(ending, index).push(node);
  let [live, peak] = [0, 0];
  for (const [index, node] of order.entries()) {
    if (isScratch(node) && !outputs.has(node)) live += bytesOf(node);
    peak = Math.max(peak, live);
    for (const dead of at(ending, index)) live -= bytesOf(dead);
  }
  return { scratchBytes: peak, liveScratchBytes: peak };
}

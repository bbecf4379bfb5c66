// Movement that cancels: a reshape of a reshape, a transpose of a transpose, a broadcast that a binary op does anyway.
import { at } from '#base';
import { broadcastShapes, sameShape } from '#tensor';
import { attrsOf, definitionOf, opName } from '../registry.ts';
import type { Graph, Node, Value } from '../types.ts';
import { rewriteGraph } from './rewrite.ts';

/** Removes movement ops that other ops make needless. */
export function mergeReshapes(graph: Graph): Graph {
  return rewriteGraph(graph, (node, operands, b) => {
    const x = operands[0];
    if (x === undefined) return undefined;
    if (node.op === 'reshape') {
      const source = x.node.op === 'reshape' ? at(x.node.operands, 0) : x;
      const { shape } = attrsOf(node, 'reshape');
      if (sameShape(source.shape, shape)) return [source];
      return source === x ? undefined : [b.reshape(source, shape)];
    }
    if (node.op === 'transpose' && x.node.op === 'transpose') {
      const inner = attrsOf(x.node, 'transpose').permutation;
      const permutation = attrsOf(node, 'transpose').permutation.map((axis) => at(inner, axis));
      return [b.transpose(at(x.node.operands, 0), permutation)];
    }
    return withoutBroadcasts(node, operands)?.(b.apply.bind(b));
  });
}

type Apply = (op: ReturnType<typeof opName>, operands: readonly Value[], attrs: object) => readonly Value[];

/** An elementwise op broadcasts by itself, so an operand that was broadcast for it can be used as it was. */
function withoutBroadcasts(node: Node, operands: readonly Value[]): ((apply: Apply) => readonly Value[]) | undefined {
  const name = opName(node);
  if (operands.length < 2 || definitionOf(name).traits?.includes('elementwise') !== true) return undefined;
  if (!operands.some((operand) => operand.node.op === 'broadcastTo')) return undefined;
  const sources = operands.map((operand) => (operand.node.op === 'broadcastTo' ? at(operand.node.operands, 0) : operand));
  const shape = sources.map((source) => source.shape).reduce((left, right) => broadcastShapes(left, right, 'broadcast'));
  return sameShape(shape, at(node.types, 0).shape) ? (apply) => apply(name, sources, node.attrs) : undefined;
}

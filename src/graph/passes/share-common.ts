// Common subexpressions: equal ops on equal operands are computed once.
import { rawBytes } from '#tensor';
import { valueKey } from '../order.ts';
import { attrsOf, definitionOf, opName } from '../registry.ts';
import type { Graph, Node, Value } from '../types.ts';
import { rewriteGraph } from './rewrite.ts';

/** Constants up to this size are compared by content; larger ones only by identity. */
const comparedConstantBytes = 4096;

/** Merges nodes that compute the same. Operands of commutative ops are compared in either order. */
export function shareCommonSubexpressions(graph: Graph): Graph {
  const known = new Map<string, readonly Value[]>();
  return rewriteGraph(graph, (node, operands, b) => {
    if (node.op === 'input') return undefined;
    const key = keyOf(node, operands);
    if (key === undefined) return undefined;
    const earlier = known.get(key);
    if (earlier !== undefined) return earlier;
    const isUnchanged = operands.every(
      (operand, index) => operand.node === node.operands[index]?.node && operand.index === node.operands[index]?.index,
    );
    const made = isUnchanged ? node.types.map((type, index) => ({ node, index, ...type })) : b.apply(opName(node), operands, node.attrs);
    known.set(key, made);
    return made;
  });
}

function keyOf(node: Node, operands: readonly Value[]): string | undefined {
  const name = opName(node);
  if (name === 'constant') {
    const { value } = attrsOf(node, 'constant');
    if (value.data.byteLength > comparedConstantBytes) return undefined;
    return `constant ${value.dtype} ${value.shape.join(',')} ${Buffer.from(rawBytes(value)).toString('base64')}`;
  }
  const keys = operands.map(valueKey);
  if (definitionOf(name).traits?.includes('commutative')) keys.sort();
  return `${name} ${keys.join(' ')} ${JSON.stringify(node.attrs)}`;
}

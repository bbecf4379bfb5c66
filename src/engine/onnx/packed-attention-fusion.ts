// Queries, keys and values that stand side by side in the rows of one product: attention reads them there, without a copy of each.
import { at } from '#base';
import { attrsOf, type Node, type Value } from '#graph';

/** Slices of the last axis of rows [N, W] that are the queries, keys and values of an attention, in this order, and are all of it; or undefined. */
export function packedRows(attention: Node): Value | undefined {
  const slices = attention.operands.slice(0, 3).map(sliceBehindReshapes);
  const source = slices[0]?.source;
  if (source === undefined || source.shape.length !== 2) return undefined;
  let end = 0;
  for (const slice of slices) {
    if (slice === undefined || slice.source.node !== source.node || slice.source.index !== source.index || slice.start !== end)
      return undefined;
    end = slice.end;
  }
  return end === source.shape[1] ? source : undefined;
}

interface LastAxisSlice {
  readonly source: Value;
  readonly start: number;
  readonly end: number;
}

/** Reshapes keep the order of elements; where each row of [N, width] becomes one [B, T] cell of [B, T, width], they only count N in two. */
function sliceBehindReshapes(operand: Value): LastAxisSlice | undefined {
  let value = operand;
  while (value.node.op === 'reshape') value = at(value.node.operands, 0);
  if (value.node.op !== 'slice' || value.shape.length !== 2 || value.shape[1] !== operand.shape.at(-1)) return undefined;
  const { axis, start, end } = attrsOf(value.node, 'slice');
  if (axis !== 1 || typeof start !== 'number' || typeof end !== 'number') return undefined;
  return { source: at(value.node.operands, 0), start, end };
}

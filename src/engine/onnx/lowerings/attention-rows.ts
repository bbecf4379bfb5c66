// Queries, keys and values as attention reads them: each by itself, or side by side in the rows of one product.
import { at } from '#base';
import type { Node, Value } from '#graph';
import { staticDim } from '#tensor';
import type { ModelBuilder, Ref } from '../model-builder.ts';
import { packedRows } from '../packed-attention-fusion.ts';
import { reshapeTarget } from './movement.ts';

export interface AttentionRows {
  /** As the runtime's kernels take them: rows that hold all three are one operand. */
  readonly operands: readonly Ref[];
  /** [B, T, (H+2G)*K] where they stand side by side. */
  readonly packed: Ref | undefined;
  /** Numbers of a position's queries, keys and values. */
  readonly widths: readonly [queries: number, keys: number, values: number];
}

/** To be asked for outside branches. */
export function attentionRows(apart: readonly Ref[], node: Node, refOf: (value: Value) => Ref, emit: ModelBuilder): AttentionRows {
  const widthOf = (operand: number): number => staticDim(at(node.operands, operand).shape.at(-1), node.place);
  const widths = [widthOf(0), widthOf(1), widthOf(2)] as const;
  const source = packedRows(node);
  if (source === undefined) return { operands: apart, packed: undefined, widths };
  const { dtype, shape } = at(node.operands, 0);
  const [B = 1, T = 1] = shape;
  const to = [B, T, widths[0] + widths[1] + widths[2]];
  const packed = emit.op('Reshape', [refOf(source), reshapeTarget(source.shape, to, emit)]);
  emit.declare(packed, dtype, to);
  return { operands: [packed, '', ''], packed, widths };
}

// Attention of few new positions over a cache, by the engine's own kernels.
import { at } from '#base';
import type { AttrsOf, Node } from '#graph';
import { staticDim } from '#tensor';
import { headSizes } from '../kernels/cached-attention.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';
import type { AttentionRows } from './attention-rows.ts';

/** New positions of a row up to which each one reads the cache by itself; for more, products of many positions are faster. */
export const fewPositions = 16;

type Attrs = AttrsOf<'groupQueryAttention'>;

/** Whether there is a kernel for these heads, and for all that is asked. */
export function canAttend(node: Node, { softCap }: Attrs): boolean {
  const head = at(node.operands, 3).shape[3];
  return typeof head === 'number' && headSizes.includes(head) && softCap === undefined && at(node.types, 0).dtype === 'float32';
}

/**
 * y, keys and values.
 *
 * @param cache - keys and values, the last index of each row, and the longest row's length
 * @param scales - of the codes of an 8-bit cache; none for one of floats
 */
export function ownAttention(
  { operands, packed, widths }: AttentionRows,
  cache: readonly Ref[],
  scales: readonly Ref[],
  node: Node,
  attrs: Attrs,
  emit: ModelBuilder,
): Ref[] {
  const { heads, keyValueHeads, scale, window = 2 ** 31 - 1 } = attrs;
  const head = staticDim(at(node.operands, 3).shape[3], node.place);
  const [q, k, v] = widths.map((width) => 4 * width) as [number, number, number];
  const [strides, places] =
    packed === undefined
      ? [
          [q, k, v],
          [0, 0, 0],
        ]
      : [Array.from({ length: 3 }, () => q + k + v), [0, q, q + k]];
  const bits = new Int32Array(Float32Array.of(scale).buffer)[0] ?? 0;
  const sizes = emit.integers([heads * head, keyValueHeads, heads / keyValueHeads, ...strides, bits, head, ...places, window]);
  return emit.own(
    scales.length > 0 ? 'Int8CachedAttention' : 'CachedAttention',
    [...(packed === undefined ? operands : [packed, packed, packed]), ...cache, sizes, ...scales],
    3,
  );
}

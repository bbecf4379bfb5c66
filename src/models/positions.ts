// Position tables that are computed rather than trained, and the buckets of relative positions.
import type { Emitter, Value } from '#graph';
import { float32, int64 } from '#tensor';

/**
 * Sines in the first half of each row, cosines in the second; [rows, D].
 *
 * @see Vaswani et al., "Attention Is All You Need", NeurIPS 2017, §3.5; the halves are laid out as in Marian and Tensor2Tensor
 */
function sinusoidalTable(form: 'marian' | 'tensor2tensor', rows: number, width: number): Float32Array {
  const sines = Math.ceil(width / 2);
  const table = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < width; column++) {
      const pair = column < sines ? column : column - sines;
      const exponent = form === 'marian' ? (2 * pair) / width : pair / Math.max(1, Math.floor(width / 2) - 1);
      const angle = (form === 'marian' ? row : row + 1) / 10_000 ** exponent;
      table[row * width + column] = column < sines ? Math.sin(angle) : Math.cos(angle);
    }
  return table;
}

/** Rows of that table: int64 positions [...] -> [..., D]. All positions are below `limit`. */
export function sinusoidalPositions(b: Emitter, form: 'marian' | 'tensor2tensor', positions: Value, limit: number, width: number): Value {
  return b.gather(b.constant(float32([limit, width], sinusoidalTable(form, limit, width))), positions);
}

/**
 * The bucket of each distance key − query in −maxDistance … maxDistance; all farther ones are in the last buckets.
 *
 * Half of the buckets hold one distance each, the others logarithmically more. Rounded as float32, where a distance falls on a border.
 *
 * @see Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", JMLR 2020, §2.1
 */
function relativeBuckets(buckets: number, maxDistance: number, seesFuture: boolean): number[] {
  const perSide = seesFuture ? Math.floor(buckets / 2) : buckets;
  const exact = Math.floor(perSide / 2);
  const { fround } = Math;
  const bucketOf = (steps: number): number => {
    if (steps < exact) return steps;
    const share = fround(fround(Math.log(fround(steps / exact))) / fround(Math.log(maxDistance / exact)));
    return Math.min(perSide - 1, exact + Math.trunc(fround(share * (perSide - exact))));
  };
  return Array.from({ length: 2 * maxDistance + 1 }, (_, index) => {
    const distance = index - maxDistance;
    if (!seesFuture) return bucketOf(Math.max(0, -distance));
    return (distance > 0 ? perSide : 0) + bucketOf(Math.abs(distance));
  });
}

/** The look-up of a table of biases [buckets, H]: int64 [...] -> [..., H]. */
type BucketLookup = (ids: Value) => Value;

/**
 * Biases of attention scores by distance: [H, T, S], or [B, H, T, S] where `positions` differ from sequence to sequence.
 *
 * @param positions - of the queries, int64 [T] or [B, T]
 * @param keyPositions - int64 [S]
 */
export function relativeBias(
  b: Emitter,
  lookup: BucketLookup,
  { buckets, maxDistance, seesFuture }: { readonly buckets: number; readonly maxDistance: number; readonly seesFuture: boolean },
  positions: Value,
  keyPositions: Value,
): Value {
  const byDistance = lookup(b.constant(int64([2 * maxDistance + 1], relativeBuckets(buckets, maxDistance, seesFuture)))); // [2M+1, H]
  const distance = b.sub(keyPositions, b.reshape(positions, [...positions.shape, 1])); // [..., T, S]
  const clipped = b.minimum(b.maximum(distance, -maxDistance), maxDistance);
  const biases = b.gather(byDistance, b.add(clipped, maxDistance)); // [..., T, S, H]
  return b.transpose(biases, positions.shape.length === 1 ? [2, 0, 1] : [0, 3, 1, 2]);
}

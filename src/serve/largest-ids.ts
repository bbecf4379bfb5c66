// The ids of a row's largest values, without sorting the row.
import { at } from '#base';

/**
 * A heap of the best so far, the worst of them on top: most values are looked at once.
 *
 * @param count - at least 1; at most the number of values
 * @returns in no particular order; among equal values the lower ids
 */
export function largestIds(values: Float32Array, count: number): Int32Array {
  const heap = Int32Array.from({ length: count }, (_, id) => id);
  const isWorse = (left: number, right: number): boolean => {
    const [leftValue, rightValue] = [at(values, left), at(values, right)];
    return leftValue < rightValue || (leftValue === rightValue && left > right);
  };
  const sink = (start: number): void => {
    const moved = at(heap, start);
    let place = start;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= count) break;
      if (child + 1 < count && isWorse(at(heap, child + 1), at(heap, child))) child++;
      if (!isWorse(at(heap, child), moved)) break;
      heap[place] = at(heap, child);
      place = child;
    }
    heap[place] = moved;
  };
  for (let place = (count >> 1) - 1; place >= 0; place--) sink(place);
  let worst = at(values, at(heap, 0));
  for (let id = count; id < values.length; id++) {
    // A later id loses among equals.
    if (!((values[id] ?? 0) > worst)) continue;
    heap[0] = id;
    sink(0);
    worst = at(values, at(heap, 0));
  }
  return heap;
}

// A slot's matrix inside a graph, cut into the groups of numbers that share a scale.
import { at } from '#base';
import type { Emitter, Value } from '#graph';
import type { CodeLayout } from '#models';
import { float32, sizeOf } from '#tensor';

/** G groups of `size` numbers in each of the N rows of K numbers; the last group of a row may be filled up with zeros. */
export interface GroupLayout {
  readonly layout: CodeLayout;
  /** Of the slot itself. */
  readonly shape: readonly number[];
  readonly size: number;
}

/** ⌈K/size⌉ */
export function groupCount({ layout, size }: GroupLayout): number {
  return Math.ceil(layout.columns / size);
}

/**
 * Cuts in the order in which the slot lies, so that nothing is transposed: [N, G, size] where rows are rows, [G, size, N] where they are the matrix's columns.
 *
 * What stands once a group keeps the axis with one number.
 */
export class Groups {
  readonly b: Emitter;
  readonly #layout: GroupLayout;
  /** Of the numbers of one group. */
  readonly #axis: 1 | 2;

  constructor(b: Emitter, layout: GroupLayout) {
    this.b = b;
    this.#layout = layout;
    this.#axis = layout.layout.isTransposed ? 1 : 2;
  }

  /** The slot [...] -> groups */
  cut(slot: Value): Value {
    const { rows, columns, isTransposed } = this.#layout.layout;
    const { size } = this.#layout;
    const G = groupCount(this.#layout);
    const matrix = this.b.reshape(slot, isTransposed ? [columns, rows] : [rows, columns]);
    const padded = this.b.pad(matrix, isTransposed ? 0 : 1, 0, G * size - columns);
    return this.b.reshape(padded, isTransposed ? [G, size, rows] : [rows, G, size]);
  }

  /** Groups -> the slot [...] */
  join(groups: Value): Value {
    const { rows, columns, isTransposed } = this.#layout.layout;
    const whole = groupCount(this.#layout) * this.#layout.size;
    const matrix = this.b.reshape(groups, isTransposed ? [whole, rows] : [rows, whole]);
    return this.b.reshape(this.b.slice(matrix, isTransposed ? 0 : 1, 0, columns), this.#layout.shape);
  }

  /** One number a group. */
  sum(groups: Value): Value {
    return this.b.reduceSum(groups, [this.#axis], true);
  }

  largest(groups: Value): Value {
    return this.b.reduceMax(groups, [this.#axis], true);
  }

  /** Over the real numbers of each group. */
  mean(groups: Value): Value {
    const { layout, size } = this.#layout;
    const inverses = Array.from({ length: groupCount(this.#layout) }, (_, group) => 1 / Math.min(size, layout.columns - group * size));
    return this.b.mul(
      this.sum(groups),
      this.b.constant(float32(layout.isTransposed ? [inverses.length, 1, 1] : [1, inverses.length, 1], inverses)),
    );
  }

  /** One number a group, [N, G] on the host's side. */
  get scaleShape(): readonly [number, number, number] {
    return scaleShape(this.#layout);
  }
}

/** The shape of what stands once a group. */
export function scaleShape(groups: GroupLayout): readonly [number, number, number] {
  const { rows, isTransposed } = groups.layout;
  return isTransposed ? [groupCount(groups), 1, rows] : [rows, groupCount(groups), 1];
}

/** Numbers as they lie in groups, [N, G, size] or [G, size, N] (size 1 for what stands once a group) -> rows [N, G·size]. */
export function rowsOfGroups(data: ArrayLike<number>, shape: readonly number[], isTransposed: boolean): Float32Array {
  if (!isTransposed) return Float32Array.from(data);
  const N = at(shape, 2);
  const width = sizeOf(shape) / N;
  const rows = new Float32Array(data.length);
  for (let column = 0; column < width; column++) for (let row = 0; row < N; row++) rows[row * width + column] = data[column * N + row] ?? 0;
  return rows;
}

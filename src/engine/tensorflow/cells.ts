// What a worker holds for its engine: one tensor a cell, replaced whole or in part, and kept by runs that began before it was replaced.
import { invariant } from '#base';
import { type DType, sameShape, sizeOf } from '#tensor';
import type { Binding, TensorId } from './binding.ts';
import type { View } from './messages.ts';
import { apply, integerRows, reshape, using } from './tensor-bytes.ts';
import { attributeKind, elementType } from './tensorflow-proto.ts';

/** A tensor that several may hold; freed when the last lets go. */
export class HeldTensor {
  readonly id: TensorId;
  readonly #binding: Binding;
  #numHolders = 1;

  constructor(binding: Binding, id: TensorId) {
    this.#binding = binding;
    this.id = id;
  }

  hold(): HeldTensor {
    this.#numHolders++;
    return this;
  }

  letGo(): void {
    if (--this.#numHolders === 0) this.#binding.deleteTensor(this.id);
  }
}

/** By this name TensorFlow makes a variable that nobody else sees, and frees it with its last handle. */
const anonymousVariable = 'cd2c89b7-88b7-44c8-ad83-06c2a9158347';

/**
 * States: whole (a tensor, which never changes) ⇄ variable (its elements in one row, changed where they lie once a part was written).
 * Writing all of it makes it whole again; a failed write leaves an error, which is thrown at the next use.
 */
export class Cell {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #binding: Binding;
  #whole: HeldTensor | undefined;
  #variable: TensorId | undefined;
  #failure: unknown;

  constructor(binding: Binding, dtype: DType, shape: readonly number[]) {
    this.#binding = binding;
    this.dtype = dtype;
    this.shape = shape;
  }

  /** The contents now, for as long as the caller holds them. */
  take(view: View | undefined): HeldTensor {
    const { whole, variable } = this.#contents();
    if (whole !== undefined && (view === undefined || (view.count === sizeOf(this.shape) && sameShape(view.shape, this.shape))))
      return whole.hold();
    const { first, count, shape } = view ?? { first: 0, count: sizeOf(this.shape), shape: this.shape };
    const binding = this.#binding;
    const row =
      whole === undefined ? apply(binding, 'ReadVariableOp', [variable ?? -1], { dtype: this.dtype }) : reshape(binding, whole.id, [-1]);
    const part = count === sizeOf(this.shape) ? row : using(binding, row, () => this.#slice(row, first, count));
    return new HeldTensor(
      binding,
      using(binding, part, () => reshape(binding, part, shape)),
    );
  }

  /** Takes the tensor over: the caller's number must not be used any more. */
  put(id: TensorId, view: View | undefined): void {
    if (view === undefined) {
      this.free();
      this.#failure = undefined;
      this.#whole = new HeldTensor(this.#binding, id);
      return;
    }
    const binding = this.#binding;
    using(binding, id, () => {
      const variable = this.#asVariable();
      const row = reshape(binding, id, [view.count]);
      const ends = integerRows(binding, [[view.first], [view.first + view.count], [1]]);
      try {
        // In place, unless a run still reads the old contents: then TensorFlow copies them first.
        binding.executeOp('ResourceStridedSliceAssign', [], [variable, ...ends, row], 0);
      } finally {
        for (const used of [row, ...ends]) binding.deleteTensor(used);
      }
    });
  }

  /** Keeps what went wrong for whoever uses the cell next. */
  fail(error: unknown): void {
    this.free();
    this.#failure = error;
  }

  free(): void {
    this.#whole?.letGo();
    this.#whole = undefined;
    if (this.#variable !== undefined) this.#binding.deleteTensor(this.#variable);
    this.#variable = undefined;
  }

  #contents(): { readonly whole: HeldTensor | undefined; readonly variable: TensorId | undefined } {
    if (this.#failure !== undefined) throw this.#failure;
    invariant(this.#whole !== undefined || this.#variable !== undefined, 'a cell is used before it has contents');
    return { whole: this.#whole, variable: this.#variable };
  }

  #asVariable(): TensorId {
    const { whole, variable } = this.#contents();
    if (variable !== undefined || whole === undefined) return variable ?? -1;
    const binding = this.#binding;
    const dtype = { name: 'dtype', type: attributeKind.type, value: elementType[this.dtype] };
    const shape = { name: 'shape', type: attributeKind.shape, value: [sizeOf(this.shape)] };
    const name = { name: 'shared_name', type: attributeKind.string, value: anonymousVariable };
    const [made] = binding.executeOp('VarHandleOp', [dtype, shape, name], [], 1);
    invariant(made !== undefined, 'VarHandleOp has a result');
    // The variable takes the tensor's memory as it is.
    using(binding, reshape(binding, whole.id, [-1]), (row) => binding.executeOp('AssignVariableOp', [dtype], [made.id, row], 0));
    this.free();
    this.#variable = made.id;
    return made.id;
  }

  #slice(row: TensorId, first: number, count: number): TensorId {
    const bounds = integerRows(this.#binding, [[first], [count]]);
    try {
      return apply(this.#binding, 'Slice', [row, ...bounds]);
    } finally {
      for (const id of bounds) this.#binding.deleteTensor(id);
    }
  }
}

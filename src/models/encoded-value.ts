// One slot in codes inside a graph: multiplied by from both sides, looked up, or decoded as a whole.
import { invariant } from '#base';
import type { Emitter, Int8Values, NBitsAttrs, PackedValues, Value } from '#graph';
import { type CodeLayout, codeLayout, type GroupEncoding, type Int8Encoding, type SlotEncoding, sharedZero } from './encoded-slots.ts';
import type { SlotSpec } from './parametrization.ts';
import { roundTokens } from './token-rounding.ts';

/** A matrix of rows [N, K] in codes, whatever they are. */
interface EncodedRows {
  /** x [..., K] -> [..., N] */
  product(x: Value): Value;
  /** All numbers, [N, K]. */
  all(): Value;
  /** int64 [...] -> [..., K] */
  some(ids: Value): Value;
}

/** One encoded slot. */
export class EncodedValue {
  readonly #b: Emitter;
  readonly #spec: SlotSpec;
  readonly #layout: CodeLayout;
  readonly #rows: EncodedRows;

  /** @param input - the graph input of a stored tensor */
  constructor(b: Emitter, slot: string, spec: SlotSpec, encoding: SlotEncoding, input: (name: string) => Value) {
    const layout = codeLayout(spec);
    invariant(layout !== undefined, `slot ${slot} has no rows`);
    this.#b = b;
    this.#spec = spec;
    this.#layout = layout;
    const part = (name: string): Value => input(`${slot}.${name}`);
    this.#rows = encoding.scheme === 'int8' ? new ByteRows(b, encoding, part) : new GroupedRows(b, layout, encoding, part);
  }

  /** All numbers, in the slot's own shape. */
  dense(): Value {
    const rows = this.#rows.all(); // [N, K]
    return this.#layout.isTransposed ? this.#b.transpose(rows, [1, 0]) : this.#b.reshape(rows, this.#spec.shape);
  }

  /** x [..., in] · S [in, out] */
  product(x: Value): Value {
    return this.#layout.isTransposed ? this.#rows.product(x) : this.#b.matmul(x, this.#rows.all());
  }

  /** x [..., out] · Sᵀ */
  productTransposed(x: Value): Value {
    return this.#layout.isTransposed ? this.#b.matmul(x, this.#rows.all()) : this.#rows.product(x);
  }

  /** Rows of S: int64 [...] -> [..., out]. Only the rows that are asked for are decoded. */
  rows(ids: Value): Value {
    return this.#layout.isTransposed ? this.#b.gather(this.dense(), ids) : this.#rows.some(ids);
  }
}

/** Packed codes in groups. */
class GroupedRows implements EncodedRows {
  readonly #b: Emitter;
  readonly #encoding: GroupEncoding;
  readonly #attrs: NBitsAttrs;
  readonly #part: (name: string) => Value;

  constructor(b: Emitter, { columns }: CodeLayout, encoding: GroupEncoding, part: (name: string) => Value) {
    const { scheme, bits, groupSize } = encoding;
    this.#b = b;
    this.#encoding = encoding;
    this.#attrs = { bits, groupSize, size: columns, ...(scheme === 'integer' ? {} : { zero: sharedZero(encoding) }) };
    this.#part = part;
  }

  product(x: Value): Value {
    const rounded = this.#encoding.roundsTokens === true ? roundTokens(this.#b, x) : x;
    return this.#b.matmulNBits(this.#unscaled(rounded), this.#packed(), this.#attrs);
  }

  all(): Value {
    return this.#unscaled(this.#b.dequantizeNBits(this.#packed(), this.#attrs));
  }

  some(ids: Value): Value {
    const { codes, scales, zeroPoints } = this.#packed();
    const gathered = {
      codes: this.#b.gather(codes, ids),
      scales: this.#b.gather(scales, ids),
      zeroPoints: zeroPoints === undefined ? undefined : this.#b.gather(zeroPoints, ids),
    };
    return this.#unscaled(this.#b.dequantizeNBits(gathered, this.#attrs));
  }

  #packed(): PackedValues {
    return {
      codes: this.#part('codes'),
      scales: this.#part('scales'),
      zeroPoints: this.#encoding.symmetric ? undefined : this.#part('zeroPoints'),
    };
  }

  /** Divides the last axis [K] by the scales that the codes were made with. */
  #unscaled(x: Value): Value {
    return this.#encoding.scaledInputs ? this.#b.div(x, this.#part('inputScales')) : x;
  }
}

/** Signed bytes, multiplied in integers. */
class ByteRows implements EncodedRows {
  readonly #b: Emitter;
  readonly #encoding: Int8Encoding;
  readonly #part: (name: string) => Value;

  constructor(b: Emitter, encoding: Int8Encoding, part: (name: string) => Value) {
    this.#b = b;
    this.#encoding = encoding;
    this.#part = part;
  }

  product(x: Value): Value {
    const isStatic = this.#encoding.activations === 'static';
    const input = isStatic ? { scale: this.#part('inputScale'), zeroPoint: this.#part('inputZeroPoint') } : undefined;
    return this.#b.matmulInt8(x, { ...this.#values(), input });
  }

  all(): Value {
    const { codes, scales } = this.#values();
    return this.#decoded(codes, scales);
  }

  some(ids: Value): Value {
    const { codes, scales } = this.#values();
    return this.#decoded(this.#b.gather(codes, ids), this.#encoding.perChannel ? this.#b.gather(scales, ids) : scales);
  }

  #values(): Int8Values {
    return { codes: this.#part('codes'), scales: this.#part('scales') };
  }

  /** codes [..., K], scales [...] or [1] */
  #decoded(codes: Value, scales: Value): Value {
    const column = this.#b.reshape(scales, [...scales.shape, 1]);
    return this.#b.mul(this.#b.cast(codes, scales.dtype), column);
  }
}

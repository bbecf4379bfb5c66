// What a row of the lowering table is: from one node of our graph to ONNX nodes.
import type { AttrsOf, Node, OpDefinition, Operands, OpName, ops, Value } from '#graph';
import type { NarrowFloat } from '#tensor';
import type { ModelBuilder, Ref } from './model-builder.ts';

type NumOperands<K extends OpName> = (typeof ops)[K] extends OpDefinition<infer N, infer _Attrs> ? N : never;

/** Types of weights in integer products. */
export type Int8Weights = 'int8' | 'uint8';

/** How products of 16-bit floats are computed: by the kernel with transposes and scale, or by the published operator. */
export type ProductForm = 'fused' | 'plain';

/** Types that the device has kernels for; products in others are computed in float32 and rounded. */
export type NarrowProducts = ReadonlyMap<NarrowFloat, ProductForm>;

/** Facts beside the operands' names that a row may need. */
export interface LoweringContext {
  /** Types of operands and results, and the place. */
  readonly node: Node;
  /** Whether the result is read by anything; extra results of fused kernels are left out otherwise. */
  readonly isUsed: (resultIndex: number) => boolean;
  /** The name of a value that stands before this node. */
  readonly refOf: (value: Value) => Ref;
  /** Prefer operators that every ONNX tool knows over ONNX Runtime's undocumented ones. */
  readonly portable: boolean;
  /** Bits per weight for which the runtime's product with packed codes works on this device. */
  readonly nBitsKernels: ReadonlySet<number>;
  /** The weights that the runtime multiplies 8-bit activations by exactly on this device; undefined: none. */
  readonly int8Weights: Int8Weights | undefined;
  /** Whether the kernels of our own run on this device. */
  readonly ownKernels: boolean;
  /** Kernels for products of 16-bit floats on this device. */
  readonly narrowProducts: NarrowProducts;
}

/**
 * Emits the ONNX nodes for one op and returns the names of its results.
 *
 * Invariant: results have the types that the op's `infer` gives.
 */
export type Lowering<K extends OpName> = (
  operands: Operands<NumOperands<K>, Ref>,
  attrs: AttrsOf<K>,
  emit: ModelBuilder,
  context: LoweringContext,
) => Ref | readonly Ref[];

/** Rows for some of the ops; the families together are the whole table. */
export type LoweringFamily<K extends OpName> = { readonly [Name in K]: Lowering<Name> };

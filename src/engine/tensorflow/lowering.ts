// What a row of the lowering table is: from one node of our graph, with its sizes known, to TensorFlow ops.
import type { AttrsOf, Node, OpDefinition, Operands, OpName, ops } from '#graph';
import type { Dim } from '#tensor';
import type { Slot } from './plan.ts';
import type { PlanBuilder } from './plan-builder.ts';

type NumOperands<K extends OpName> = (typeof ops)[K] extends OpDefinition<infer N, infer _Attrs> ? N : never;

/** Facts beside the operands that a row may need. */
export interface LoweringContext {
  /** Types of operands and results, and the place. */
  readonly node: Node;
  /** Of the operands, in this plan. */
  readonly shapes: readonly (readonly number[])[];
  /** Of the results, in this plan. */
  readonly resultShapes: readonly (readonly number[])[];
  /** A size in the attributes, in this plan. */
  readonly size: (dim: Dim) => number;
}

/**
 * Emits the ops for one node and returns the slots of its results.
 *
 * Invariant: results have the types that the op's `infer` gives.
 */
export type Lowering<K extends OpName> = (
  operands: Operands<NumOperands<K>, Slot>,
  attrs: AttrsOf<K>,
  emit: PlanBuilder,
  context: LoweringContext,
) => Slot | readonly Slot[];

/** Rows for some of the ops; the families together are the whole table. */
export type LoweringFamily<K extends OpName> = { readonly [Name in K]: Lowering<Name> };

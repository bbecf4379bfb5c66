// A graph made ready for TensorFlow: its ops one by one, for one choice of sizes. Plain data that a worker is sent.
import type { HostTensor } from '#tensor';

/** As the binding takes it. */
export interface PlanAttribute {
  readonly name: string;
  /** One of `attributeKind`. */
  readonly type: number;
  readonly value: number | boolean | string | readonly number[];
}

/** Place of a tensor during a run. */
export type Slot = number;

export interface PlanStep {
  /** As TensorFlow names it. */
  readonly op: string;
  readonly attributes: readonly PlanAttribute[];
  readonly operands: readonly Slot[];
  readonly results: readonly Slot[];
  /** Results, of this step or of earlier ones, that nothing reads after it. */
  readonly lastUses: readonly Slot[];
  /** Where the op stands in the model, for errors. */
  readonly place: string;
}

export interface Plan {
  readonly numSlots: number;
  /** One an input of the program. */
  readonly inputs: readonly Slot[];
  /** Tensors that stay on the device while the program lives, by the cell that holds them. */
  readonly fixed: readonly { readonly slot: Slot; readonly cell: number }[];
  /** Small tensors of this plan alone: shapes, axes, positions. */
  readonly constants: readonly { readonly slot: Slot; readonly tensor: HostTensor }[];
  readonly steps: readonly PlanStep[];
  /** One an output of the program. Each is the result of a step, and of no other output. */
  readonly outputs: readonly Slot[];
}

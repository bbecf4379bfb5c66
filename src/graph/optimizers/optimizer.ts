// What an optimizer is: state slots, scalars that the host sets each step, and the update of one parameter as graph nodes.
import type { Emitter } from '../op.ts';
import type { Value } from '../types.ts';

/** What one parameter's update may use. */
export interface UpdateContext {
  readonly b: Emitter;
  readonly parameter: Value;
  /** Already multiplied by the clipping factor. */
  readonly gradient: Value;
  /** One value a state slot, of the parameter's shape. */
  readonly state: Readonly<Record<string, Value>>;
  /** Scalars of this step, float32 []. */
  readonly scalars: Readonly<Record<string, Value>>;
  /** Whether weight decay applies to this parameter. */
  readonly decays: boolean;
}

export interface ParameterUpdate {
  readonly parameter: Value;
  readonly state: Readonly<Record<string, Value>>;
}

/** A first-order optimizer, as a rule that builds graph nodes. */
export interface Optimizer {
  readonly name: string;
  /** Tensors kept for each parameter, zero at the start. */
  readonly stateSlots: readonly string[];
  readonly scalarNames: readonly string[];
  /** Values of the scalars for one step. @param step - 1 for the first step */
  scalars(step: number, learningRate: number): Readonly<Record<string, number>>;
  update(context: UpdateContext): ParameterUpdate;
}

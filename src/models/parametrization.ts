// What a parametrization is: how one logical weight is stored, applied in a graph, and turned back into the dense weight.
import type { Emitter, Value } from '#graph';
import type { DType, HostTensor } from '#tensor';
import type { ParameterRole, ParameterSettings, ParameterSpec } from './model.ts';

/** One stored tensor that a parametrization needs. */
export interface SlotSpec {
  readonly shape: readonly number[];
  /** `float`: any float type in files and on the host, float32 in graphs. Otherwise exactly this type, in graphs too. */
  readonly dtype: 'float' | DType;
  /** Whether training changes it; codes, masks and permutations do not train. */
  readonly trains: boolean;
  /** The axis of a matrix that its products sum over most often: codes are grouped along it. Default 0, as for x·S. */
  readonly inputAxis?: 0 | 1;
}

/**
 * A weight as a parametrization sees it inside a graph.
 *
 * Slots become graph inputs when they are first asked for, so a use pays only for what it reads. A float slot may be stored in codes, which
 * the three products below use as they are; ask for them rather than for the whole slot.
 */
export interface WeightInGraph {
  readonly b: Emitter;
  readonly spec: ParameterSpec;
  readonly settings: ParameterSettings;
  /** All numbers of one slot. */
  slot(name: string): Value;
  /** x [..., m] · S [..., n] for a slot S [m, n]. */
  product(x: Value, slot: string): Value;
  /** x [..., n] · Sᵀ [..., m] for a slot S [m, n]. */
  productTransposed(x: Value, slot: string): Value;
  /** Rows of a slot S [m, n]: int64 [...] -> [..., n]. */
  rows(slot: string, ids: Value): Value;
  /** Another parameter of the same model, for weights that refer to one (layer sharing). */
  other(path: string): AppliedWeight;
}

/** A weight that is ready to be used, however it is stored. */
export interface AppliedWeight {
  /** x [..., in] -> x·W [..., out] */
  linear(x: Value): Value;
  /** int64 [...] -> rows of W [..., D] */
  lookup(ids: Value): Value;
  /** x [..., D] -> x·Wᵀ [..., V] */
  transposed(x: Value): Value;
  /** W itself, in its dense shape. */
  dense(): Value;
}

/** A weight as a parametrization sees it on the host. */
export interface WeightOnHost {
  readonly spec: ParameterSpec;
  readonly settings: ParameterSettings;
  /** The numbers of one slot, decoded where it is stored in codes. */
  slot(name: string): HostTensor;
  /** The dense tensor of another parameter of the same model. */
  other(path: string): HostTensor<'float32'>;
}

/**
 * One way to store a weight. Architectures, engines and files know nothing else about it.
 *
 * A new kind is one object of this type and one row in the table `parametrizations`.
 */
export interface Parametrization {
  /** Roles that it can take. */
  readonly roles: readonly ParameterRole[];
  /**
   * The slots by name; `storedSlots` says what is stored of those that are held in codes.
   *
   * @throws AppError `config_mismatch` when the settings are not its own, `rank_out_of_range` when a rank does not fit
   */
  slots(spec: ParameterSpec, settings: ParameterSettings): Readonly<Record<string, SlotSpec>>;
  /** Whether one row times the weight costs no fewer multiplications than with the dense matrix; false when absent. */
  isSlowerThanDense?(spec: ParameterSpec, settings: ParameterSettings): boolean;
  linear(weight: WeightInGraph, x: Value): Value;
  lookup(weight: WeightInGraph, ids: Value): Value;
  transposed(weight: WeightInGraph, x: Value): Value;
  dense(weight: WeightInGraph): Value;
  /** The dense W that it stands for. */
  materialize(weight: WeightOnHost): HostTensor<'float32'>;
}

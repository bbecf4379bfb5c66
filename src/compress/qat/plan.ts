// Which slots of a model become codes, how each of them is rounded in training, and what is rounded before it.
import { invariant } from '#base';
import {
  codeLayout,
  type Model,
  type Parameter,
  type ParameterSpec,
  parametrizationOf,
  sharedOwner,
  slotOnHost,
  storedName,
} from '#models';
import { float32, type HostTensor } from '#tensor';
import { parameterOf } from '../changed-layer.ts';
import { slotBytes, slotChains, slotRows } from '../decomposition/slot-matrices.ts';
import { int8Bytes } from '../quantize/int8-codes.ts';
import { encodedBytes } from '../quantize/slot-codes.ts';
import { type GroupLayout, groupCount, scaleShape } from './groups.ts';
import { signedRange, type WeightCodes } from './rounding.ts';
import { groupSizeOf, type QatSettings } from './settings.ts';

/** What a layer's inputs are rounded to before they meet its codes. */
export type InputRounding = 'token' | 'dynamic' | 'learned';

/** One matrix that becomes codes. */
export interface SlotPlan {
  readonly path: string;
  readonly slot: string;
  /** Its stored name, under which the network asks for it. */
  readonly stored: string;
  readonly groups: GroupLayout;
  readonly codes: WeightCodes;
  /** `bytes`: for products in integers, with a scale a row; otherwise packed in groups. */
  readonly stores: 'groups' | 'bytes';
  /** Of what it is multiplied by; the same for all slots of a layer's weight that read the layer's inputs. */
  readonly rounds?: InputRounding;
}

/** What training needs to know of one model's codes. */
export interface QatPlan {
  readonly slots: readonly SlotPlan[];
  /** By the path of a linear weight, and of those that share it: what its inputs are rounded to. The second is the path where the weight is stored. */
  readonly inputs: ReadonlyMap<string, readonly [InputRounding, string]>;
}

/**
 * Slots that codes would not make smaller stay as they are.
 *
 * @param stored - the model as it was stored, where `model` holds its numbers in wider types
 */
export function planCodes(model: Model, specs: readonly ParameterSpec[], settings: QatSettings, stored = model): QatPlan {
  const slots = specs.flatMap((spec) => {
    const [parameter, given] = [parameterOf(model, spec.path), parameterOf(stored, spec.path)];
    return planParameter(parameter, given.kind === parameter.kind ? given : parameter, spec, settings);
  });
  const rounded = new Map(slots.flatMap(({ path, rounds }) => (rounds === undefined ? [] : [[path, rounds] as const])));
  const inputs = [...model.parameters.values()].flatMap((parameter) => {
    const owner = sharedOwner(parameter) ?? parameter.path;
    const rounds = rounded.get(owner);
    return rounds === undefined ? [] : [[parameter.path, [rounds, owner]] as const];
  });
  return { slots, inputs: new Map(inputs) };
}

function planParameter(parameter: Parameter, given: Parameter, spec: ParameterSpec, settings: QatSettings): SlotPlan[] {
  const { path } = parameter;
  const { activations } = settings;
  const codes = weightCodes(settings);
  const first = spec.role === 'linear' ? firstSlots(parameter.kind) : [];
  return Object.entries(parametrizationOf(parameter).slots(spec, parameter.settings)).flatMap(([slot, { dtype, shape, inputAxis }]) => {
    const layout =
      dtype === 'float' ? codeLayout({ dtype, shape, trains: true, ...(inputAxis === undefined ? {} : { inputAxis }) }) : undefined;
    if (layout === undefined) return [];
    const rounds = activations !== 'none' && first.includes(slot) ? activations : undefined;
    const stores = rounds === 'dynamic' || rounds === 'learned' ? 'bytes' : 'groups';
    const size = stores === 'bytes' ? layout.columns : groupSizeOf(settings, layout.columns);
    const { bits, symmetric, scheme } = codeNumbers(codes);
    const bytes =
      stores === 'bytes'
        ? int8Bytes(layout, true, rounds === 'learned')
        : encodedBytes(layout, { bits, groupSize: size, symmetric, scheme });
    if (bytes >= slotBytes(given, slot)) return [];
    const stored = storedName(parameter, slot);
    return [{ path, slot, stored, groups: { layout, shape, size }, codes, stores, ...(rounds === undefined ? {} : { rounds }) }];
  });
}

/** Slots that are multiplied by what the layer reads. */
function firstSlots(kind: string): readonly string[] {
  if (kind === 'sum') return ['first', 'second'];
  return slotChains[kind]?.slice(0, 1) ?? [];
}

/** How the numbers of every slot become codes. */
function weightCodes({ scheme, bits = 8, symmetric, stepSize, threshold, clip, activations }: QatSettings): WeightCodes {
  if (scheme === 'ternary') return { kind: 'ternary', threshold, clip };
  if (scheme === 'binary') return { kind: 'binary', clip };
  if (stepSize === 'learned') return { kind: 'learned', bits };
  const isInteger = activations === 'dynamic' || activations === 'learned';
  return { kind: 'range', bits, symmetric: isInteger || (symmetric ?? bits === 8) };
}

/** Bits of one code, and how groups of them are stored. */
export function codeNumbers(codes: WeightCodes): {
  readonly scheme: 'integer' | 'ternary' | 'binary';
  readonly bits: number;
  readonly symmetric: boolean;
} {
  switch (codes.kind) {
    case 'range':
      return { scheme: 'integer', bits: codes.bits, symmetric: codes.symmetric };
    case 'learned':
      return { scheme: 'integer', bits: codes.bits, symmetric: true };
    case 'ternary':
      return { scheme: 'ternary', bits: 2, symmetric: true };
    case 'binary':
      return { scheme: 'binary', bits: 1, symmetric: true };
  }
}

/** 2·mean|w|/√Qp of each group, as it lies in graphs (`scaleShape`). */
export function initialSteps(slot: HostTensor, groups: GroupLayout, bits: number): HostTensor<'float32'> {
  const { rows: N, columns: K, isTransposed } = groups.layout;
  const rows = slotRows(slot, groups.layout);
  const G = groupCount(groups);
  const { most } = signedRange(bits);
  const steps = new Float32Array(N * G);
  for (let row = 0; row < N; row++)
    for (let group = 0; group < G; group++) {
      const [start, end] = [group * groups.size, Math.min(K, (group + 1) * groups.size)];
      let sum = 0;
      for (let column = start; column < end; column++) sum += Math.abs(rows[row * K + column] ?? 0);
      steps[isTransposed ? group * N + row : row * G + group] = (2 * sum) / (end - start) / Math.sqrt(most);
    }
  return float32(scaleShape(groups), steps);
}

/** The numbers of a planned slot. */
export function slotOf(
  model: Model,
  specs: ReadonlyMap<string, ParameterSpec>,
  { path, slot }: Pick<SlotPlan, 'path' | 'slot'>,
): HostTensor {
  const spec = specs.get(path);
  invariant(spec !== undefined, `${path} is in the model but not in the architecture`);
  return slotOnHost(spec, parameterOf(model, path), slot);
}

/** Slots of one parameter together, in the order of the plan. */
export function byParameter(slots: readonly SlotPlan[]): ReadonlyMap<string, readonly SlotPlan[]> {
  const grouped = new Map<string, SlotPlan[]>();
  for (const plan of slots) {
    const known = grouped.get(plan.path);
    if (known === undefined) grouped.set(plan.path, [plan]);
    else known.push(plan);
  }
  return grouped;
}

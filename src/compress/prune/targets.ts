// What a pruning step works on: the matrices of each parameter, and how many of their weights go.
import { AppError, at, invariant } from '#base';
import type { Steps } from '#linalg';
import {
  type CodeLayout,
  codeLayout,
  keptCount,
  type Model,
  type Parameter,
  type ParameterSpec,
  parametrizationOf,
  slotOnHost,
  sparseBytes,
  sparsePieces,
} from '#models';
import { castTensor, type DType, dtypeBytes, firstNonFinite, type HostTensor, sizeOf } from '#tensor';
import { slotBytes, slotChains } from '../decomposition/slot-matrices.ts';
import { magnitudes } from './masks.ts';
import { groupPatterns, type WeightPruningSettings } from './settings.ts';
import { countSmallest } from './smallest.ts';

/** One matrix of a parametrization. */
export interface TargetSlot {
  readonly path: string;
  readonly name: string;
  readonly layout: CodeLayout;
  /** n */
  readonly size: number;
  /** Type of the stored numbers. */
  readonly dtype: DType;
  readonly bytesBefore: number;
  /** All numbers, in the slot's own shape. */
  whole(): HostTensor;
}

export interface Target {
  readonly spec: ParameterSpec;
  readonly parameter: Parameter;
  /** In the order in which a layer multiplies by them, where that is known. */
  readonly slots: readonly TargetSlot[];
  /** The inputs of each slot follow from those of the layer. */
  readonly hasInputs: boolean;
}

export function describeTarget(model: Model, spec: ParameterSpec): Target {
  const parameter = model.parameters.get(spec.path);
  invariant(parameter !== undefined, `${spec.path} is in the architecture but not in the model`);
  const slots = parametrizationOf(parameter).slots(spec, parameter.settings);
  const chain = slotChains[parameter.kind];
  const matrices = (chain ?? Object.keys(slots)).flatMap((name): TargetSlot[] => {
    const slot = slots[name];
    const layout = slot?.dtype === 'float' ? codeLayout(slot) : undefined;
    if (slot === undefined || layout === undefined) return [];
    const stored = parameter.tensors[keptCount(parameter, name) === undefined ? name : sparsePieces(name).values];
    invariant(stored !== undefined, `${spec.path} has no stored tensor ${name}`);
    const whole = (): HostTensor => slotOnHost(spec, parameter, name);
    const { path } = spec;
    return [{ path, name, layout, size: sizeOf(slot.shape), dtype: stored.dtype, bytesBefore: slotBytes(parameter, name), whole }];
  });
  // Embeddings are looked up, and so have no inputs.
  return { spec, parameter, slots: matrices, hasInputs: spec.role === 'linear' && chain !== undefined };
}

/** Groups must fill the inputs of every matrix. */
export function checkGroups(targets: readonly Target[], { pattern }: WeightPruningSettings): void {
  if (pattern === 'unstructured') return;
  const { group } = groupPatterns[pattern];
  for (const { slots } of targets)
    for (const { path, name, layout } of slots)
      if (layout.columns % group !== 0)
        throw new AppError(
          'does_not_factor',
          `prune: ${path}, slot "${name}": ${layout.columns} inputs are not groups of ${group}, which the pattern ${pattern} needs. Exclude it, or use the pattern unstructured.`,
          { details: { path } },
        );
}

/** How many weights of a slot become zero. */
function numDropped({ path, size, dtype, bytesBefore }: TargetSlot, { pattern, sparsity, ratio }: WeightPruningSettings): number {
  if (pattern !== 'unstructured')
    return (size / groupPatterns[pattern].group) * (groupPatterns[pattern].group - groupPatterns[pattern].kept);
  if (sparsity !== undefined) return floorOf(sparsity * size);
  invariant(ratio !== undefined, 'the settings ask for a sparsity or a ratio');
  const bytes = ratio * bytesBefore - sparseBytes(size, 0, dtype);
  const kept = Math.min(size, floorOf(bytes / dtypeBytes[dtype]));
  if (kept >= 1) return size - kept;
  const least = (sparseBytes(size, 1, dtype) / bytesBefore).toFixed(4);
  throw new AppError(
    'bad_recipe',
    `prune.ratio: ${ratio} of the ${bytesBefore} bytes of ${path} leaves nothing beside the bitmap of its zeros. Keep more than ${least}, or exclude it.`,
    { details: { path, ratio } },
  );
}

/** ⌊x⌋ for a product that may lie below its whole number by rounding. */
export function floorOf(x: number): number {
  return Math.floor(x * (1 + Number.EPSILON) + Number.EPSILON);
}

/** How many weights of each slot become zero, by target. @throws AppError `bad_recipe` | `bad_weights` */
export function* allDrops(targets: readonly Target[], settings: WeightPruningSettings): Steps<number[][]> {
  if (settings.scope === 'global') return yield* globalDrops(targets, settings);
  return targets.map(({ slots }) => slots.map((slot) => numDropped(slot, settings)));
}

/** The same total as layer by layer, where the smallest weights of all matrices are. */
function* globalDrops(targets: readonly Target[], settings: WeightPruningSettings): Steps<number[][]> {
  const slots = targets.flatMap((target) => target.slots);
  const total = slots.reduce((sum, slot) => sum + numDropped(slot, settings), 0);
  for (const slot of slots) {
    checkFinite(slot);
    yield;
  }
  const counts = yield* countSmallest(
    slots.map((slot) => () => magnitudes(castTensor(slot.whole(), 'float32').data)),
    total,
  );
  const bySlot = new Map(slots.map((slot, index) => [slot, at(counts, index)]));
  return targets.map((target) => target.slots.map((slot) => bySlot.get(slot) ?? 0));
}

/** @throws AppError `bad_weights` */
export function checkFinite({ path, name, whole }: TargetSlot): void {
  const bad = firstNonFinite(whole());
  if (bad >= 0)
    throw new AppError('bad_weights', `${path}, ${name}: number ${bad} is not finite. Use a checkpoint from before it diverged.`);
}

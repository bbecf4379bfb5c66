// Learned pruning as training schemes: masks on weights, scores that train beside them, and a sparsity that rises from step to step.
import { at } from '#base';
import type { Emitter, Value } from '#graph';
import type { Steps } from '#linalg';
import type { NetworkChanges } from '#models';
import { float32, type HostTensor } from '#tensor';
import type { SchemeInGraph, TrainingScheme } from '#train';
import { straightThrough } from '../../straight-through.ts';
import type { MaskedSlot, MaskSet } from './mask-set.ts';
import { choosesBefore, lastRise, type PruningSchedule, pruningShare } from './schedule.ts';

export const scoreName = (stored: string): string => `score:${stored}`;
const maskInput = (stored: string): string => `mask:${stored}`;

export interface ChosenPruning {
  readonly schedule: PruningSchedule;
  readonly sparsity: number;
  readonly scope: 'layer' | 'global';
}

/**
 * W·m with m from scores: the gradient of the scores is that of the mask, as if the mask were the scores: dS = dW'·W, dW = dW'·m.
 *
 * @param mask - float32, of 0 and 1
 * @see V. Sanh, T. Wolf, A. M. Rush, "Movement pruning: adaptive sparsity by fine-tuning", NeurIPS 2020, §4
 */
export function maskedByScores(b: Emitter, weight: Value, scores: Value, mask: Value): Value {
  return straightThrough(b, b.mul(weight, mask), [
    { variable: weight, slope: mask },
    { variable: scores, slope: weight },
  ]);
}

/** A training whose zeros the host chooses anew now and then, from what it reads of the device. */
export interface ChosenTraining {
  readonly scheme: TrainingScheme;
  /** Chooses after a step the zeros of the next one, where they change. `weights` are those after the step. */
  afterStep(step: number, weights: () => (slot: MaskedSlot) => Float32Array): Steps<void> | undefined;
}

/** The highest scores stay; scores begin at zero, and the schedule says how many stay. */
export function movementTraining(masks: MaskSet, { schedule, sparsity, scope }: ChosenPruning, learningRateFactor: number): ChosenTraining {
  let scores: ((slot: MaskedSlot) => Float32Array) | undefined;
  return {
    scheme: {
      name: 'movement',
      tensors: scoreTensors(masks, learningRateFactor),
      network: ({ b, tensor, input }) =>
        masking(masks, (slot, weight) => maskedByScores(b, weight, tensor(scoreName(slot.stored)), maskOf(b, slot, input))),
      step: () => ({ inputs: maskInputs(masks) }),
      observe: (_step, _metrics, tensors) => {
        scores = (slot) => tensors(scoreName(slot.stored)).data;
      },
      save: () => masks.save(),
      restore: (saved) => masks.restore(saved),
    },
    afterStep: (step) => {
      if (!choosesBefore(step + 1, schedule) || scores === undefined) return undefined;
      return masks.choose(scores, { sparsity: sparsity * pruningShare(step + 1, schedule), scope, keepsZeros: false });
    },
  };
}

/** The largest weights stay. What is zero stays zero; nothing is chosen any more once the sparsity is reached. */
export function gradualTraining(masks: MaskSet, { schedule, sparsity, scope }: ChosenPruning): ChosenTraining {
  return {
    scheme: {
      name: 'gradual',
      network: ({ b, input }) => masking(masks, (slot, weight) => b.mul(weight, maskOf(b, slot, input))),
      step: () => ({ inputs: maskInputs(masks) }),
      save: () => masks.save(),
      restore: (saved) => masks.restore(saved),
    },
    afterStep: (step, weights) => {
      if (step >= lastRise(schedule) || !choosesBefore(step + 1, schedule)) return undefined;
      const read = weights();
      const choice = { sparsity: sparsity * pruningShare(step + 1, schedule), scope, keepsZeros: true };
      return masks.choose((slot) => read(slot).map(Math.abs), choice);
    },
  };
}

export interface SoftPruning {
  readonly schedule: PruningSchedule;
  /** What sigmoid(score) must be above in the end. */
  readonly threshold: number;
  /** Weight of the mean of sigmoid(score) in the end. */
  readonly penalty: number;
}

/** Where sigmoid(score) = threshold. */
export function scoreLimit(threshold: number): number {
  return Math.fround(Math.log(threshold / (1 - threshold)));
}

/**
 * Weights stay whose score is above a threshold that rises with the penalty: both with the schedule, from 0.
 *
 * The loss gains λ·mean over the matrices of mean sigmoid(S).
 */
export function softMovementScheme(
  masks: MaskSet,
  { schedule, threshold, penalty }: SoftPruning,
  learningRateFactor: number,
): TrainingScheme {
  return {
    name: 'softMovement',
    tensors: scoreTensors(masks, learningRateFactor),
    network: ({ b, tensor, input }) =>
      masking(masks, (slot, weight) => {
        const scores = tensor(scoreName(slot.stored));
        const mask = b.cast(b.less(input('limit', 'float32', []), b.stopGradient(scores)), 'float32');
        return maskedByScores(b, weight, scores, mask);
      }),
    loss: ({ b }, { loss, metrics }, { tensor, input }) => {
      const all = masks.slots.map(({ stored, shape }) =>
        b.reduceMean(
          b.sigmoid(tensor(scoreName(stored))),
          shape.map((_, axis) => axis),
        ),
      );
      const mean = b.mul(
        all.slice(1).reduce((sum, each) => b.add(sum, each), at(all, 0)),
        1 / all.length,
      );
      return { loss: b.add(loss, b.mul(mean, input('penalty', 'float32', []))), metrics: { ...metrics, meanScore: mean } };
    },
    step: (step) => {
      const share = pruningShare(step, schedule);
      return { inputs: { limit: float32([], [scoreLimit(share * threshold)]), penalty: float32([], [share * penalty]) } };
    },
  };
}

function scoreTensors({ slots }: MaskSet, learningRateFactor: number): NonNullable<TrainingScheme['tensors']> {
  return slots.map(({ stored, shape, size }) => ({
    name: scoreName(stored),
    initial: float32(shape, new Float32Array(size)),
    learningRateFactor,
  }));
}

function masking({ slots }: MaskSet, masked: (slot: MaskedSlot, weight: Value) => Value): NetworkChanges {
  const byName = new Map(slots.map((slot) => [slot.stored, slot]));
  return {
    stored: (name, value) => {
      const slot = byName.get(name);
      return slot === undefined ? value : masked(slot, value);
    },
  };
}

function maskOf(b: Emitter, { stored, shape }: MaskedSlot, input: SchemeInGraph['input']): Value {
  return b.cast(input(maskInput(stored), 'bool', shape), 'float32');
}

function maskInputs(masks: MaskSet): Record<string, HostTensor> {
  return Object.fromEntries(masks.slots.map((slot) => [maskInput(slot.stored), masks.tensor(slot)]));
}

// Fake quantization of weights inside a graph: the numbers that the stored codes stand for, with the gradient of a straight-through estimate.
import { invariant } from '#base';
import type { Emitter, Value } from '#graph';
import { straightThrough } from '../straight-through.ts';
import { type GroupLayout, Groups } from './groups.ts';
import { halfScale } from './half-scales.ts';

/** How the numbers of one slot become codes. */
export type WeightCodes =
  /** Whole numbers on the grid from the smallest to the largest number of each group, as `quantize` lays it. */
  | { readonly kind: 'range'; readonly bits: number; readonly symmetric: boolean }
  /** Whole numbers times a step that trains; symmetric. */
  | { readonly kind: 'learned'; readonly bits: number }
  /** −a, 0, a. Gradients pass where |w| ≤ clip. */
  | { readonly kind: 'ternary'; readonly threshold: 'twn' | 'absmean'; readonly clip: number }
  /** −a, a. */
  | { readonly kind: 'binary'; readonly clip: number };

/** A slot as it is stored: unsigned codes in groups, and for each group a scale and, unless it follows from the kind, a zero point. */
export interface CodedSlot {
  readonly codes: Value;
  readonly scales: Value;
  readonly zeroPoints?: Value;
  /** The numbers that they stand for, in the slot's own shape, with the gradient. */
  readonly values: Value;
}

interface Codes {
  readonly codes: Value;
  /** 16-bit floats. */
  readonly scales: Value;
  readonly zeroPoints?: Value;
  /** Where all groups have the same. */
  readonly zero?: number;
}

/** Smallest step that a learned grid may have; that of 16-bit floats. */
const smallestStep = 2 ** -14;
const twnShare = 0.7;

/**
 * Rounds a slot.
 *
 * - `range`: dw' = dw (nothing lies outside).
 * - `learned`: with v = w/s: dw'/dw = 1 for −Qn ≤ v ≤ Qp, else 0; dw'/ds = g·(round(v) − v) inside, −g·Qn below, g·Qp above, g = 1/√(n·Qp) for n numbers a group.
 * - `ternary`: Δ = 0.7·mean|w|, a = mean of |w| > Δ (`twn`), or a = mean|w|, round(w/a) within −1 … 1 (`absmean`); `binary`: a = mean|w|.
 *
 * @param slot - float32, of the layout's shape
 * @param step - of `learned`: float32 of `scaleShape`
 * @see S. K. Esser et al., "Learned step size quantization", ICLR 2020, eq. 1–5
 * @see F. Li, B. Zhang, B. Liu, "Ternary weight networks", 2016; W. Zhang et al., "TernaryBERT", EMNLP 2020
 * @see S. Ma et al., "The era of 1-bit LLMs: all large language models are in 1.58 bits", 2024
 */
export function codeSlot(b: Emitter, slot: Value, layout: GroupLayout, kind: WeightCodes, step?: Value): CodedSlot {
  const groups = new Groups(b, layout);
  const numbers = groups.cut(b.stopGradient(slot));
  const made = codesOf(groups, numbers, kind, step);
  const { codes, scales, zeroPoints, zero } = made;
  const signed = b.sub(codes, zeroPoints ?? zero ?? 0);
  const exact = groups.join(b.mul(signed, scales));
  const stored = { codes, scales, ...(zeroPoints === undefined ? {} : { zeroPoints }) };
  switch (kind.kind) {
    case 'range':
      return { ...stored, values: straightThrough(b, exact, [{ variable: slot }]) };
    case 'learned': {
      invariant(step !== undefined, 'learned codes have a step');
      const { least, most } = signedRange(kind.bits);
      const v = b.div(numbers, scales);
      const isInside = b.cast(b.and(b.not(b.less(v, least)), b.not(b.less(most, v))), 'float32');
      const share = 1 / Math.sqrt(layout.size * most);
      const dStep = b.mul(b.sub(signed, b.mul(isInside, v)), share);
      const ofWeight = straightThrough(b, exact, [{ variable: slot, slope: groups.join(isInside) }]);
      const ofStep = straightThrough(b, b.mul(dStep, 0), [{ variable: step, slope: dStep }]);
      return { ...stored, values: b.add(ofWeight, groups.join(ofStep)) };
    }
    case 'ternary':
    case 'binary': {
      const isInside = b.cast(b.not(b.less(kind.clip, b.abs(slot))), 'float32');
      return { ...stored, values: straightThrough(b, exact, [{ variable: slot, slope: isInside }]) };
    }
  }
}

/** −Qn and Qp of symmetric codes. */
export function signedRange(bits: number): { readonly least: number; readonly most: number } {
  return { least: -(2 ** (bits - 1)), most: 2 ** (bits - 1) - 1 };
}

function codesOf(groups: Groups, numbers: Value, kind: WeightCodes, step: Value | undefined): Codes {
  const { b } = groups;
  switch (kind.kind) {
    case 'range':
      return kind.symmetric ? symmetricCodes(groups, numbers, kind.bits) : affineCodes(groups, numbers, kind.bits);
    case 'learned': {
      invariant(step !== undefined, 'learned codes have a step');
      const scales = halfScale(b, b.maximum(step, smallestStep), 'nearest');
      return wholeCodes(b, numbers, scales, kind.bits);
    }
    case 'ternary': {
      const magnitudes = b.abs(numbers);
      const mean = groups.mean(magnitudes);
      if (kind.threshold === 'absmean') {
        const steps = b.minimum(b.maximum(nearest(b, b.div(numbers, divisor(b, mean))), -1), 1);
        return { codes: b.add(steps, 1), scales: halfScale(b, mean, 'nearest'), zero: 1 };
      }
      const stays = b.cast(b.less(b.mul(mean, twnShare), magnitudes), 'float32');
      const scale = b.div(groups.sum(b.mul(magnitudes, stays)), b.maximum(groups.sum(stays), 1));
      return { codes: b.add(b.mul(b.sign(numbers), stays), 1), scales: halfScale(b, scale, 'nearest'), zero: 1 };
    }
    case 'binary': {
      const scale = b.mul(groups.mean(b.abs(numbers)), 2);
      return { codes: b.cast(b.not(b.less(numbers, 0)), 'float32'), scales: halfScale(b, scale, 'nearest'), zero: 0.5 };
    }
  }
}

function symmetricCodes(groups: Groups, numbers: Value, bits: number): Codes {
  const { b } = groups;
  const scale = b.div(groups.largest(b.abs(numbers)), signedRange(bits).most);
  return wholeCodes(b, numbers, halfScale(b, scale, 'up'), bits);
}

function wholeCodes(b: Emitter, numbers: Value, scales: Value, bits: number): Codes {
  const zero = 2 ** (bits - 1);
  const codes = b.add(nearest(b, b.div(numbers, divisor(b, scales))), zero);
  return { codes: b.minimum(b.maximum(codes, 0), 2 ** bits - 1), scales, zero };
}

function affineCodes(groups: Groups, numbers: Value, bits: number): Codes {
  const { b } = groups;
  const most = 2 ** bits - 1;
  const high = b.maximum(groups.largest(numbers), 0);
  const low = b.minimum(b.neg(groups.largest(b.neg(numbers))), 0);
  const scales = halfScale(b, b.div(b.sub(high, low), most), 'down');
  const inverse = divisor(b, scales);
  const zeroPoints = b.minimum(b.sub(0, nearest(b, b.div(low, inverse))), most);
  const codes = b.add(nearest(b, b.div(numbers, inverse)), zeroPoints);
  return { codes: b.minimum(b.maximum(codes, 0), most), scales, zeroPoints };
}

/** Ties upwards, as `Math.round` and so as the codes that are made on the host. */
function nearest(b: Emitter, x: Value): Value {
  return b.floor(b.add(x, 0.5));
}

/** Groups of zeros have the scale 0, and all their codes are that of zero. */
function divisor(b: Emitter, scales: Value): Value {
  return b.where(b.equal(scales, 0), 1, scales);
}

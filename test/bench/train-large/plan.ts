// The sizes of the study, what is done to each, and what a step of training costs.
import type { Gpt2Config } from '#models';
import type { StudyRecord } from '../catalogue/records.ts';

/** A model that is trained from random weights. */
export interface Size {
  readonly name: string;
  readonly width: number;
  readonly layers: number;
  /** Peak, found by short runs: it falls with the width. */
  readonly learningRate: number;
}

/** Parameters of the blocks: 0.1M, 1.8M, 4M, 10.6M and 24M. */
export const sizes: readonly Size[] = [
  { name: 'XS', width: 64, layers: 2, learningRate: 3e-3 },
  { name: 'S', width: 192, layers: 4, learningRate: 2e-3 },
  { name: 'M', width: 288, layers: 4, learningRate: 1.5e-3 },
  { name: 'L', width: 384, layers: 6, learningRate: 1e-3 },
  { name: 'XL', width: 576, layers: 6, learningRate: 7e-4 },
];

export const headWidth = 32;
export const sequenceLength = 128;
export const batchSize = 16;

/** What was equal for all sizes: the time on this machine, or the multiplications. */
export const axes = ['time', 'flops'] as const;
export type Axis = (typeof axes)[number];

/** Shares of the block weights that become zero, by magnitude over all blocks. */
export const sparsities = [0, 0.3, 0.5, 0.7, 0.8, 0.9] as const;
/** Rounds of pruning, each with a recovery. */
export const rounds = 3;
/** 16 is not asked for: models are trained and counted in 32-bit floats. */
export const widths = [undefined, 8, 4, 3, 2] as const;

export interface LargeRecord extends StudyRecord {
  readonly axis: Axis;
  readonly model: string;
  readonly sparsity: number;
  /** Of a code; 32 for floats. */
  readonly bits: number;
  /** Without the tables over the vocabulary, which are never compressed here. */
  readonly blockBytes: number;
  /** Of a decoding step of one sequence. */
  readonly latencyMs: number;
}

/** What was decided for a training, so that a run that goes on trains as long. */
export interface TrainingPlan {
  readonly axis: Axis;
  readonly model: string;
  readonly steps: number;
  readonly secondsPerStep: number;
  readonly flopsPerStep: number;
}

export function configOf({ width, layers }: Size, vocabularySize: number, endToken: number): Gpt2Config {
  return {
    architecture: 'gpt2',
    activation: 'geluTanh',
    vocabularySize,
    width,
    layers,
    heads: width / headWidth,
    feedForwardWidth: 4 * width,
    maxPositions: 256,
    tiedHead: true,
    normEpsilon: 1e-5,
    endTokens: [endToken],
  };
}

/**
 * Forward and backward: 6 operations a weight of the blocks and of the head, and the attention's two products over the sequence, which cost 2·T·D each a token
 * and layer, three times.
 *
 * @see Kaplan et al., "Scaling Laws for Neural Language Models", 2020, §2.1
 */
export function flopsPerStep({ width, layers }: Size, vocabularySize: number): number {
  const weights = 12 * layers * width ** 2 + vocabularySize * width;
  const attention = 12 * layers * width * sequenceLength;
  return batchSize * sequenceLength * (6 * weights + attention);
}

export function keyOf(axis: Axis, model: string, sparsity: number, bits: number | undefined): string {
  return `${axis} ${model} ${Math.round(100 * sparsity)} % ${bits ?? 32} bits`;
}

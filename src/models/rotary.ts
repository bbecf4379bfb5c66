// Rotary position embeddings (RoFormer) in the half-split convention, and the ways of stretching them to longer contexts.
import type { Emitter, Value } from '#graph';
import { float32 } from '#tensor';
import type { LlamaConfig, RotaryScaling } from './config.ts';

/** Factors of one rotation, ready to multiply [B, T, H, K]: both [B, T, 1, K] or [T, 1, K]. */
export interface Rotation {
  readonly cos: Value;
  /** The first half is negated, so that x·cos + swapped(x)·sin is the whole rotation. */
  readonly sin: Value;
}

/** Wave numbers of the pairs and the scale of cos and sin. */
export interface RotaryFrequencies {
  /** [K/2], radians a position, rounded to float32 as PyTorch has them. */
  readonly frequencies: Float32Array;
  readonly attentionFactor: number;
}

type RotaryConfig = Pick<LlamaConfig, 'headWidth' | 'rotaryBase' | 'rotaryScaling'>;

/**
 * Frequencies as Hugging Face transformers computes them.
 *
 * `dynamic` answers with the unstretched ones: its stretch depends on the length of the sequence (`rotationAt`).
 *
 * @see Su et al., "RoFormer", 2021; Chen et al., "Position Interpolation", 2023 (linear); Llama 3.1 release (llama3)
 */
export function rotaryFrequencies({ headWidth, rotaryBase, rotaryScaling }: RotaryConfig): RotaryFrequencies {
  const plain = Float32Array.from({ length: headWidth / 2 }, (_, pair) => 1 / rotaryBase ** ((2 * pair) / headWidth));
  const unscaled = { frequencies: plain, attentionFactor: 1 };
  switch (rotaryScaling.kind) {
    case 'none':
    case 'dynamic':
      return unscaled;
    case 'linear':
      return { frequencies: plain.map((frequency) => frequency / rotaryScaling.factor), attentionFactor: 1 };
    case 'llama3':
      return { frequencies: plain.map((frequency) => stretchByWavelength(frequency, rotaryScaling)), attentionFactor: 1 };
    case 'yarn':
      return yarn(plain, rotaryBase, rotaryScaling);
  }
}

/** Short waves stay, long ones are stretched by the factor, those between are blended. */
function stretchByWavelength(frequency: number, scaling: Extract<RotaryScaling, { kind: 'llama3' }>): number {
  const wavelength = (2 * Math.PI) / frequency;
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions } = scaling;
  if (wavelength < originalMaxPositions / highFrequencyFactor) return frequency;
  if (wavelength > originalMaxPositions / lowFrequencyFactor) return frequency / factor;
  const smooth = (originalMaxPositions / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/** @see Peng et al., "YaRN: Efficient Context Window Extension of Large Language Models", ICLR 2024, §3.2-3.4 */
function yarn(plain: Float32Array, base: number, scaling: Extract<RotaryScaling, { kind: 'yarn' }>): RotaryFrequencies {
  const headWidth = 2 * plain.length;
  const pairWithRotations = (rotations: number): number =>
    (headWidth * Math.log(scaling.originalMaxPositions / (rotations * 2 * Math.PI))) / (2 * Math.log(base));
  const low = Math.max(Math.floor(pairWithRotations(scaling.betaFast)), 0);
  const high = Math.min(Math.ceil(pairWithRotations(scaling.betaSlow)), headWidth - 1);
  const span = high === low ? 0.001 : high - low;
  const frequencies = plain.map((frequency, pair) => {
    const interpolated = Math.min(Math.max((pair - low) / span, 0), 1);
    return (frequency / scaling.factor) * interpolated + frequency * (1 - interpolated);
  });
  const paperFactor = scaling.factor <= 1 ? 1 : 0.1 * Math.log(scaling.factor) + 1;
  return { frequencies, attentionFactor: scaling.attentionFactor ?? paperFactor };
}

/**
 * The rotation of each position. positions int64 [B, T] or [T], all below `positionLimit`.
 *
 * Tables are computed on the host and their rows gathered; only `dynamic` scaling beyond the original context computes angles
 * in the graph, because they depend on the length reached.
 */
export function rotationAt(b: Emitter, config: RotaryConfig, positions: Value, positionLimit: number): Rotation {
  const { headWidth: K, rotaryScaling } = config;
  if (rotaryScaling.kind === 'dynamic' && positionLimit > rotaryScaling.originalMaxPositions)
    return dynamicRotation(b, config, rotaryScaling, positions);

  const { frequencies, attentionFactor } = rotaryFrequencies(config);
  const cosData = new Float32Array(positionLimit * K);
  const sinData = new Float32Array(positionLimit * K);
  for (let position = 0; position < positionLimit; position++) {
    frequencies.forEach((frequency, pair) => {
      const angle = Math.fround(position * frequency);
      const first = position * K + pair;
      const second = first + K / 2;
      cosData[first] = cosData[second] = Math.cos(angle) * attentionFactor;
      sinData[second] = Math.sin(angle) * attentionFactor;
      sinData[first] = -(sinData[second] ?? 0);
    });
  }
  const rows = (table: Float32Array): Value => {
    const gathered = b.gather(b.constant(float32([positionLimit, K], table)), positions);
    return b.reshape(gathered, [...positions.shape, 1, K]);
  };
  return { cos: rows(cosData), sin: rows(sinData) };
}

/**
 * NTK-aware scaling whose base grows with the length n reached: base·(s·n/n₀ - (s-1))^(K/(K-2)), that is, frequency i is
 * multiplied by ratio^(-2i/(K-2)). Each sequence has its own n, the largest position in this step plus one.
 */
function dynamicRotation(
  b: Emitter,
  config: RotaryConfig,
  scaling: Extract<RotaryScaling, { kind: 'dynamic' }>,
  positions: Value,
): Rotation {
  const K = config.headWidth;
  const { frequencies } = rotaryFrequencies(config);
  const exponents = Float32Array.from({ length: K / 2 }, (_, pair) => (-2 * pair) / (K - 2));

  const steps = b.reshape(b.cast(positions, 'float32'), [...positions.shape, 1]); // [..., T, 1]
  const length = b.add(b.reduceMax(steps, [steps.shape.length - 2], true), 1); // [..., 1, 1]
  const stretch = b.sub(b.mul(length, scaling.factor / scaling.originalMaxPositions), scaling.factor - 1);
  const ratio = b.maximum(stretch, 1);
  const growth = b.exp(b.mul(b.log(ratio), b.constant(float32([K / 2], exponents)))); // [..., 1, K/2]
  const angles = b.mul(steps, b.mul(growth, b.constant(float32([K / 2], frequencies)))); // [..., T, K/2]
  const sines = b.sin(angles);
  const cosines = b.cos(angles);
  const axis = positions.shape.length;
  const shape = [...positions.shape, 1, K];
  return {
    cos: b.reshape(b.concat([cosines, cosines], axis), shape),
    sin: b.reshape(b.concat([b.neg(sines), sines], axis), shape),
  };
}

/** Rotates every head. x [B, T, H, K] -> [B, T, H, K] */
export function rotate(b: Emitter, x: Value, rotation: Rotation, headWidth: number): Value {
  const axis = x.shape.length - 1;
  const half = headWidth / 2;
  const swapped = b.concat([b.slice(x, axis, half, headWidth), b.slice(x, axis, 0, half)], axis);
  return b.add(b.mul(x, rotation.cos), b.mul(swapped, rotation.sin));
}

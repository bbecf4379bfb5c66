// Checks of a configuration that need no tensors.
import { AppError } from '#base';
import type { EncoderDecoderConfig, LlamaConfig, ModelConfig } from './config.ts';

/**
 * Checks that sizes are positive integers that fit each other, and that rotary settings make sense.
 *
 * @throws AppError `bad_config` naming the field, in our own names
 */
export function checkConfig(config: ModelConfig): void {
  const where = `${config.architecture} config`;
  const requireThat = (condition: boolean, what: string): void => {
    if (!condition) throw new AppError('bad_config', `${where}: ${what}.`);
  };
  for (const field of ['vocabularySize', 'width', 'layers', 'heads', 'feedForwardWidth', 'maxPositions'] as const)
    requireThat(Number.isInteger(config[field]) && config[field] > 0, `${field} must be a positive integer, got ${config[field]}`);
  requireThat(config.normEpsilon > 0, `normEpsilon must be positive, got ${config.normEpsilon}`);
  for (const token of [...config.endTokens, ...(config.beginToken === undefined ? [] : [config.beginToken])])
    requireThat(
      Number.isInteger(token) && token >= 0 && token < config.vocabularySize,
      `token ${token} is outside 0..${config.vocabularySize - 1}`,
    );
  if (config.architecture === 'gpt2')
    requireThat(config.width % config.heads === 0, `width ${config.width} is not a multiple of heads ${config.heads}`);
  else if (config.architecture === 'llama') checkLlama(config, requireThat);
  else checkEncoderDecoder(config, requireThat);
}

function checkLlama(config: LlamaConfig, requireThat: (condition: boolean, what: string) => void): void {
  const { heads, keyValueHeads, headWidth, rotaryBase, rotaryScaling } = config;
  requireThat(Number.isInteger(keyValueHeads) && keyValueHeads > 0, `keyValueHeads must be a positive integer, got ${keyValueHeads}`);
  requireThat(heads % keyValueHeads === 0, `heads ${heads} is not a multiple of keyValueHeads ${keyValueHeads}`);
  requireThat(headWidth > 0 && headWidth % 2 === 0, `headWidth must be even for rotary positions, got ${headWidth}`);
  requireThat(rotaryBase > 1, `rotaryBase must be above 1, got ${rotaryBase}`);
  if (rotaryScaling.kind === 'none') return;
  requireThat(rotaryScaling.factor >= 1, `rotaryScaling.factor must be at least 1, got ${rotaryScaling.factor}`);
  if (rotaryScaling.kind === 'linear') return;
  const { originalMaxPositions } = rotaryScaling;
  requireThat(
    Number.isInteger(originalMaxPositions) && originalMaxPositions > 0,
    `rotaryScaling.originalMaxPositions must be a positive integer, got ${originalMaxPositions}`,
  );
  if (rotaryScaling.kind === 'dynamic') requireThat(headWidth > 2, `dynamic rotary scaling needs headWidth above 2, got ${headWidth}`);
  if (rotaryScaling.kind === 'llama3')
    requireThat(
      rotaryScaling.highFrequencyFactor > rotaryScaling.lowFrequencyFactor && rotaryScaling.lowFrequencyFactor > 0,
      `rotaryScaling.highFrequencyFactor ${rotaryScaling.highFrequencyFactor} must be above lowFrequencyFactor ${rotaryScaling.lowFrequencyFactor}`,
    );
  if (rotaryScaling.kind === 'yarn')
    requireThat(
      rotaryScaling.betaFast > rotaryScaling.betaSlow && rotaryScaling.betaSlow > 0,
      `rotaryScaling.betaFast ${rotaryScaling.betaFast} must be above betaSlow ${rotaryScaling.betaSlow}`,
    );
}

function checkEncoderDecoder(config: EncoderDecoderConfig, requireThat: (condition: boolean, what: string) => void): void {
  const { encoder, headWidth, positions, sourceVocabularySize, startToken, padToken, vocabularySize } = config;
  const requireSize = (value: number, field: string): void =>
    requireThat(Number.isInteger(value) && value > 0, `${field} must be a positive integer, got ${value}`);
  for (const field of ['layers', 'heads', 'headWidth', 'feedForwardWidth'] as const) requireSize(encoder[field], `encoder.${field}`);
  requireSize(headWidth, 'headWidth');
  if (config.tokenTypes !== undefined) requireSize(config.tokenTypes, 'tokenTypes');
  if (sourceVocabularySize !== undefined) requireSize(sourceVocabularySize, 'sourceVocabularySize');
  requireThat(
    Number.isInteger(startToken) && startToken >= 0 && startToken < vocabularySize,
    `startToken ${startToken} is outside 0..${vocabularySize - 1}`,
  );
  // Padding fills sources and targets alike.
  const smallest = Math.min(vocabularySize, sourceVocabularySize ?? vocabularySize);
  requireThat(Number.isInteger(padToken) && padToken >= 0 && padToken < smallest, `padToken ${padToken} is outside 0..${smallest - 1}`);
  if (positions.kind === 'learned')
    requireThat(
      Number.isInteger(positions.offset) && positions.offset >= 0,
      `positions.offset must not be negative, got ${positions.offset}`,
    );
  if (positions.kind === 'relative') {
    const { buckets, maxDistance } = positions;
    requireThat(
      Number.isInteger(buckets) && buckets >= 4 && buckets % 2 === 0,
      `positions.buckets must be an even number of at least 4, got ${buckets}`,
    );
    requireThat(
      Number.isInteger(maxDistance) && maxDistance > buckets / 2,
      `positions.maxDistance must be above ${buckets / 2}, half of the buckets, got ${maxDistance}`,
    );
  }
}

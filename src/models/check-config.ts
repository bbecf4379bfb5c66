// Checks of a configuration that need no tensors.
import { AppError } from '#base';
import type { LlamaConfig, ModelConfig } from './config.ts';

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
  checkDepthAndEmbedding(config, requireThat);
  if (config.architecture === 'gpt2')
    requireThat(config.width % config.heads === 0, `width ${config.width} is not a multiple of heads ${config.heads}`);
  else checkLlama(config, requireThat);
}

function checkDepthAndEmbedding({ embedding, halting }: ModelConfig, requireThat: (condition: boolean, what: string) => void): void {
  if (embedding !== undefined) {
    const { width, heads } = embedding;
    requireThat(Number.isInteger(width) && width > 0, `embedding.width must be a positive integer, got ${width}`);
    requireThat(
      Number.isInteger(heads) && heads > 0 && width % heads === 0,
      `embedding.width ${width} is not a multiple of embedding.heads ${heads}`,
    );
  }
  if (halting === undefined) return;
  requireThat(halting.epsilon > 0 && halting.epsilon < 1, `halting.epsilon must be between 0 and 1, got ${halting.epsilon}`);
  requireThat(halting.ponderCost >= 0, `halting.ponderCost must not be negative, got ${halting.ponderCost}`);
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

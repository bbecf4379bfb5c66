// Checks of a configuration that need no tensors.
import { AppError } from '#base';
import {
  type AlbertConfig,
  type BertConfig,
  type EncoderDecoderConfig,
  isEncoderDecoder,
  type LlamaConfig,
  type ModelConfig,
} from './config.ts';
import { stackSizes } from './layer-shapes.ts';

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
    requireThat(isSize(config[field]), `${field} must be a positive integer, got ${config[field]}`);
  requireThat(config.layers <= mostLayers, `layers must be at most ${mostLayers}, got ${config.layers}`);
  requireThat(config.normEpsilon > 0, `normEpsilon must be positive, got ${config.normEpsilon}`);
  for (const token of [...config.endTokens, ...(config.beginToken === undefined ? [] : [config.beginToken])])
    requireThat(
      Number.isInteger(token) && token >= 0 && token < config.vocabularySize,
      `token ${token} is outside 0..${config.vocabularySize - 1}`,
    );
  checkDepthAndEmbedding(config, requireThat);
  if (config.architecture === 'llama') checkLlama(config, requireThat);
  else if (config.headWidth === undefined)
    requireThat(config.width % config.heads === 0, `width ${config.width} is not a multiple of heads ${config.heads}`);
  else requireThat(isSize(config.headWidth), `headWidth must be a positive integer, got ${config.headWidth}`);
  if (config.architecture === 'bert' || config.architecture === 'albert') checkEncoder(config, requireThat);
  if (isEncoderDecoder(config)) checkEncoderDecoder(config, requireThat);
  checkLayerShapes(config, requireThat);
  checkAdditions(config, requireThat);
}

function checkAdditions(config: ModelConfig, requireThat: (condition: boolean, what: string) => void): void {
  const { ladder, adapters, prompt, halting, layers, maxPositions, width, heads } = config;
  if (adapters !== undefined) requireThat(isSize(adapters.width), `adapters.width must be a positive integer, got ${adapters.width}`);
  if (prompt !== undefined) {
    requireThat(!isEncoderDecoder(config), 'prompt is for models of one text, and an encoder-decoder reads two');
    requireThat(
      isSize(prompt.length) && prompt.length < maxPositions,
      `prompt.length must be a positive integer below maxPositions ${maxPositions}, got ${prompt.length}`,
    );
  }
  if (ladder === undefined) return;
  requireThat(!isEncoderDecoder(config), 'ladder is for models of one stack of layers, and an encoder-decoder has two');
  requireThat(prompt === undefined, 'ladder and prompt cannot stand in one model');
  requireThat(halting === undefined, 'ladder reads every layer once, and halting repeats them');
  const { layers: read } = ladder;
  requireThat(
    read.length > 0 && read.every((layer, index) => Number.isInteger(layer) && layer > (read[index - 1] ?? -1) && layer < layers),
    `ladder.layers must be ascending indices of 0..${layers - 1}, got ${read.join(', ')}`,
  );
  for (const field of ['width', 'heads', 'keyValueHeads', 'feedForwardWidth'] as const)
    requireThat(isSize(ladder[field]), `ladder.${field} must be a positive integer, got ${ladder[field]}`);
  requireThat(ladder.width <= width, `ladder.width ${ladder.width} is above the model's ${width}`);
  const queriesPerKey = heads / ('keyValueHeads' in config ? config.keyValueHeads : heads);
  requireThat(
    ladder.heads === queriesPerKey * ladder.keyValueHeads,
    `ladder has ${ladder.heads} heads over ${ladder.keyValueHeads}, but the model has ${queriesPerKey} to one`,
  );
}

function checkEncoder(config: BertConfig | AlbertConfig, requireThat: (condition: boolean, what: string) => void): void {
  const { tokenTypes, padToken, task, vocabularySize } = config;
  requireThat(Number.isInteger(tokenTypes) && tokenTypes >= 0, `tokenTypes must be a whole number of at least 0, got ${tokenTypes}`);
  requireThat(
    Number.isInteger(padToken) && padToken >= 0 && padToken < vocabularySize,
    `padToken ${padToken} is outside 0..${vocabularySize - 1}`,
  );
  if (config.architecture === 'albert') {
    const { embeddingWidth } = config;
    requireThat(Number.isInteger(embeddingWidth) && embeddingWidth > 0, `embeddingWidth must be a positive integer, got ${embeddingWidth}`);
  }
  if (task.kind === 'classify')
    requireThat(
      task.labels.length >= 2 && new Set(task.labels).size === task.labels.length,
      `task.labels must be at least two different names, got ${JSON.stringify(task.labels)}`,
    );
}

/** Blocks of a stack: each is a part of every graph, and no published model is deeper. */
export const mostLayers = 1024;
/** Of any one size: what the runtime's shapes can say. */
export const mostSize = 2 ** 31 - 1;

function isSize(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value <= mostSize;
}

function checkLayerShapes(config: ModelConfig, requireThat: (condition: boolean, what: string) => void): void {
  const shapes = config.layerShapes;
  if (shapes === undefined) return;
  const stacks = stackSizes(config);
  const blocks = stacks.reduce((sum, { layers }) => sum + layers, 0);
  requireThat(shapes.length === blocks, `layerShapes has ${shapes.length} entries for ${blocks} layers`);
  const queriesPerKey = config.heads / ('keyValueHeads' in config ? config.keyValueHeads : config.heads);
  for (const [layer, { heads, keyValueHeads, feedForwardWidth, crossHeads = heads }] of shapes.entries()) {
    requireThat(
      [heads, keyValueHeads, feedForwardWidth, crossHeads].every(isSize),
      `layerShapes[${layer}] must hold positive integers, got ${heads}, ${keyValueHeads}, ${feedForwardWidth} and ${crossHeads}`,
    );
    requireThat(
      heads === queriesPerKey * keyValueHeads,
      `layerShapes[${layer}] has ${heads} heads over ${keyValueHeads}, but all layers must have ${queriesPerKey} to one`,
    );
  }
  for (const { place, firstBlock, ...sizes } of stacks)
    for (const field of ['heads', 'feedForwardWidth'] as const) {
      const largest = Math.max(...shapes.slice(firstBlock, firstBlock + sizes.layers).map((shape) => shape[field]));
      requireThat(sizes[field] === largest, `${place}${field} is ${sizes[field]}, but the largest of layerShapes is ${largest}`);
    }
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
  checkVariants(config, requireThat);
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

/** What sets the relatives of Llama apart. */
function checkVariants(config: LlamaConfig, requireThat: (condition: boolean, what: string) => void): void {
  const { layers, slidingWindow, slidingRotaryBase } = config;
  for (const field of ['queryScalar', 'attentionSoftCap', 'logitSoftCap'] as const) {
    const value = config[field];
    requireThat(value === undefined || (Number.isFinite(value) && value > 0), `${field} must be positive, got ${value}`);
  }
  if (slidingWindow !== undefined) {
    const { size, layers: flags } = slidingWindow;
    requireThat(Number.isInteger(size) && size > 0, `slidingWindow.size must be a positive integer, got ${size}`);
    requireThat(flags.length === layers, `slidingWindow.layers has ${flags.length} flags for ${layers} layers`);
  }
  if (slidingRotaryBase === undefined) return;
  requireThat(slidingRotaryBase > 1, `slidingRotaryBase must be above 1, got ${slidingRotaryBase}`);
  requireThat(slidingWindow !== undefined, 'slidingRotaryBase is for layers with a sliding window, and slidingWindow is absent');
}

function checkEncoderDecoder(config: EncoderDecoderConfig, requireThat: (condition: boolean, what: string) => void): void {
  const { encoder, headWidth, positions, sourceVocabularySize, startToken, padToken, vocabularySize } = config;
  const requireSize = (value: number, field: string): void =>
    requireThat(isSize(value), `${field} must be a positive integer, got ${value}`);
  for (const field of ['layers', 'heads', 'headWidth', 'feedForwardWidth'] as const) requireSize(encoder[field], `encoder.${field}`);
  requireThat(encoder.layers <= mostLayers, `encoder.layers must be at most ${mostLayers}, got ${encoder.layers}`);
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
    for (const { place, heads, layers, firstBlock } of stackSizes(config))
      requireThat(
        config.layerShapes?.slice(firstBlock, firstBlock + layers).every((shape) => shape.heads === heads) ?? true,
        `layerShapes must have ${place}heads ${heads} in every block: all of them read one table of relative positions`,
      );
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

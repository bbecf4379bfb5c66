// models: architectures written against a network, parameters in any parametrization, and the graphs of language models.
export { isOfAdapter } from './adapters.ts';
export { additionFields } from './additions.ts';
export type {
  Architecture,
  AttentionOptions,
  BlocksInGraph,
  EncoderDecoderParts,
  HeadLayout,
  LinearFeed,
  Network,
  NormFeed,
} from './architecture.ts';
export { architectureOf } from './architectures.ts';
export { type AttentionValues, byHead, hidesBelow } from './attention.ts';
export { checkConfig, mostLayers, mostSize } from './check-config.ts';
export {
  type AlbertConfig,
  type BertConfig,
  type EncoderDecoderConfig,
  type EncoderSizes,
  type EncoderTask,
  type Gpt2Config,
  type Halting,
  isEncoderDecoder,
  type Ladder,
  type LayerShape,
  type LlamaConfig,
  type ModelConfig,
  type ModelTask,
  type RotaryScaling,
  type SafeEmbedding,
  type SequencePositions,
  type SlidingWindow,
  taskOf,
} from './config.ts';
export { depthTaps } from './depth.ts';
export {
  type CodeLayout,
  codeLayout,
  encodingSettings,
  type GroupEncoding,
  isEncoded,
  roundsInputs,
  type SlotEncoding,
  sharedZero,
  smallestGroup,
} from './encoded-slots.ts';
export {
  buildEncodeGraph,
  buildPairDecodeGraph,
  buildPairLogitsGraph,
  buildPairScoreGraph,
  encoderDecoderConfig,
  encoderDecoderNetwork,
  type PairDecodeSizes,
  type PairSizes,
  type SourceTensor,
  type SourceValues,
  shiftRight,
  sourceInputs,
  sourceTensors,
} from './encoder-decoder-graphs.ts';
export {
  buildEncoderGraph,
  buildTaskGraph,
  type EncoderInputs,
  encoderInputs,
  encoderNetwork,
  encoderOutputs,
  firstRows,
  hasTokenTypes,
  isOverTokens,
} from './encoder-graphs.ts';
export { fastestForm } from './fastest-form.ts';
export type { FreeAxis } from './free-axes.ts';
export { allInputs, inputMask, modelInputs, type ParameterInput, trainableNames, weightsOf } from './graph-inputs.ts';
export { graphNames, inPieces } from './graph-names.ts';
export {
  buildHaltingGraphs,
  fillPlaces,
  type HaltingGraphs,
  haltedRowInputs,
  haltingNames,
  haltingStateNames,
  haltingStepInputs,
  repeatsOneBlock,
  signalInputs,
} from './halting-graphs.ts';
export { initializeModel } from './initialize.ts';
export { type Int8Form, int8Form, type RoundedSlots } from './int8-form.ts';
export { ladderPaths, ladderPrefix, sideBlockParameters } from './ladder.ts';
export {
  type BatchSizes,
  buildDecodeGraph,
  buildLogitsGraph,
  buildScoreGraph,
  type CacheTensor,
  type CausalOptions,
  cacheTensors,
  causalNetwork,
  type DecodeSizes,
  type GraphOptions,
  requireGenerating,
} from './language-model-graphs.ts';
export { headWidthOf, layerShape, layerShapes, type ModelSizes, stackSizes } from './layer-shapes.ts';
export { type LayerTaps, layerTaps } from './layer-taps.ts';
export {
  declarations,
  type Model,
  type ModelDeclaration,
  type Parameter,
  type ParameterDeclaration,
  type ParameterRole,
  type ParameterSettings,
  type ParameterSpec,
  replaceParameters,
  storedName,
  storedTensors,
  type TensorDeclaration,
} from './model.ts';
export {
  type AttentionMode,
  type CacheFormat,
  cacheFormats,
  cacheName,
  cacheWidth,
  GraphNetwork,
  type NetworkBuilder,
  type NetworkChanges,
  type NetworkOptions,
  type NetworkPlace,
  type Source,
  slotName,
} from './network.ts';
export { buildPackedEncoderGraph } from './packed-encoder-graphs.ts';
export { type ParameterCounts, parameterCounts } from './parameter-counts.ts';
export type { AppliedWeight, Parametrization, SlotSpec, WeightInGraph, WeightOnHost } from './parametrization.ts';
export { clusterSettings, type EmbeddingCluster, embeddingClusters } from './parametrizations/adaptive-embedding.ts';
export { multiplicationsPerRow } from './parametrizations/kronecker-products.ts';
export {
  checkModel,
  checkParameter,
  denseParameter,
  graphType,
  materializeParameter,
  type ParametrizationKind,
  parameterSpecs,
  parametrizationOf,
  parametrizations,
  slotOnHost,
} from './parametrizations.ts';
export { promptIds, promptPath, textPositions } from './prompt.ts';
export { randomLike } from './random-like.ts';
export { type RotaryFrequencies, rotaryFrequencies } from './rotary.ts';
export {
  checkSharing,
  differentShapes,
  sharedOwner,
  sharedParameter,
  sharedUsers,
  storedFreeAxes,
} from './sharing.ts';
export { keptCount, keptValues, maskFlags, sparseBytes, sparsePieces, sparseSlot } from './sparse-slots.ts';
export { tableHeadPath } from './token-embedding.ts';
export { roundTokens } from './token-rounding.ts';
export {
  type BlockStack,
  sideAxes,
  type UnitAxis,
  type UnitKind,
  type UnitPart,
  type UnitSide,
  unitIndices,
  unitNames,
} from './units.ts';
export { untieHead } from './untie-head.ts';
export { borrowModel, uploadModel } from './upload.ts';
export { withTask } from './with-task.ts';

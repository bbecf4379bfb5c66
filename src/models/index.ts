// models: architectures written against a network, parameters in any parametrization, and the graphs of language models.
export type { Architecture, AttentionOptions, EncoderDecoderParts, FreeAxis, HeadLayout, Network } from './architecture.ts';
export { architectureOf } from './architectures.ts';
export { checkConfig } from './check-config.ts';
export {
  type EncoderConfig,
  type EncoderDecoderConfig,
  type Gpt2Config,
  isEncoderDecoder,
  type LlamaConfig,
  type ModelConfig,
  type RotaryScaling,
  type SequencePositions,
} from './config.ts';
export {
  type CodeLayout,
  codeLayout,
  encodingSettings,
  isEncoded,
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
export { fastestForm } from './fastest-form.ts';
export { graphNames, inPieces } from './graph-names.ts';
export { initializeModel } from './initialize.ts';
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
} from './language-model-graphs.ts';
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
  cacheName,
  cacheWidth,
  GraphNetwork,
  type NetworkBuilder,
  type NetworkOptions,
  type Source,
} from './network.ts';
export { type ParameterCounts, parameterCounts } from './parameter-counts.ts';
export type { AppliedWeight, Parametrization, SlotSpec, WeightInGraph, WeightOnHost } from './parametrization.ts';
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
  trainableNames,
} from './parametrizations.ts';
export { type RotaryFrequencies, rotaryFrequencies } from './rotary.ts';
export { untieHead } from './untie-head.ts';
export { modelInputs, uploadModel } from './upload.ts';

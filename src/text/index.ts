// text: tokenizers, data sets, packing and windows.
export { type ChatMessage, type ChatOptions, renderChat } from './chat-template.ts';
export { documentSeparator, openText, type TextOptions, type TextPiece, type TextSource, textFromStrings } from './data-set.ts';
export {
  checkLabelledFile,
  distinctLabels,
  type LabelledColumns,
  type LabelledRow,
  labelledFromJsonLines,
  readLabelled,
} from './labelled-data.ts';
export {
  encodeEnded,
  type PairBatch,
  type PairCorpus,
  PairSampler,
  type PairSamplerOptions,
  pairBatch,
  type TokenizePairsOptions,
  type TokenPair,
  tokenizePairs,
} from './pair-corpus.ts';
export { openPairs, type PairOptions, type PairSource, pairsFromJsonLines, pairsFromTexts, type TextPair } from './pair-set.ts';
export { type SampledExamples, type SamplerCursor, SeededOrder } from './seeded-order.ts';
export {
  type CutText,
  type EncodedText,
  encodeLabelled,
  type LabelledText,
  type PaddedTexts,
  padTexts,
  SentenceEncoder,
} from './sentence-encoder.ts';
export { StopMatcher, type StopResult } from './stop-matcher.ts';
export { StreamDecoder, type StreamDecoderOptions } from './stream-decoder.ts';
export { type EvaluationBatch, type StrideWindows, strideWindows, type WindowProtocol } from './stride-windows.ts';
export { type SampledBatch, TextSampler, type TextSamplerOptions } from './text-sampler.ts';
export { type TokenCorpus, type TokenizeOptions, tokenizeCorpus } from './token-corpus.ts';
export {
  type DecodeOptions,
  type EncodeOptions,
  type LayoutItem,
  loadTokenizer,
  type Tokenizer,
  type TokenizerFiles,
  tokenizerFromFiles,
} from './tokenizer.ts';
export { type SamplerOptions, type TokenBatch, WindowSampler, windowBatch } from './window-sampler.ts';

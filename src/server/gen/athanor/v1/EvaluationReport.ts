// Original file: proto/athanor/v1/evaluation_report.proto

import type { Latency as _athanor_v1_Latency, Latency__Output as _athanor_v1_Latency__Output } from '../../athanor/v1/Latency.ts';
import type { ClassificationReport as _athanor_v1_ClassificationReport, ClassificationReport__Output as _athanor_v1_ClassificationReport__Output } from '../../athanor/v1/ClassificationReport.ts';
import type { SequenceReport as _athanor_v1_SequenceReport, SequenceReport__Output as _athanor_v1_SequenceReport__Output } from '../../athanor/v1/SequenceReport.ts';
import type { HiddenTokenReport as _athanor_v1_HiddenTokenReport, HiddenTokenReport__Output as _athanor_v1_HiddenTokenReport__Output } from '../../athanor/v1/HiddenTokenReport.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * One model measured on one text, against a teacher where there is one. Optional fields are absent where they were not measured. Of classifiers
 * `loss` is that of a text and `accuracy` that of its label; of encoder-decoders both are those of the targets' tokens.
 */
export interface EvaluationReport {
  /**
   * Model, as "name@version".
   */
  'model'?: (string);
  /**
   * Teacher, as "name@version"; empty when there was none.
   */
  'teacher'?: (string);
  /**
   * Name of the protocol, for example "windows 256, stride 128, every token after the first scored".
   */
  'protocol'?: (string);
  /**
   * Hash of the text.
   */
  'dataFingerprint'?: (string);
  /**
   * Scored tokens.
   */
  'scoredTokens'?: (number | string | Long);
  /**
   * UTF-8 bytes that the scored tokens stand for.
   */
  'scoredBytes'?: (number | string | Long);
  /**
   * Mean negative log-likelihood of a scored token, nats.
   */
  'loss'?: (number | string);
  /**
   * Negative log-likelihood in bits a UTF-8 byte.
   */
  'bitsPerByte'?: (number | string);
  /**
   * exp(loss).
   */
  'tokenPerplexity'?: (number | string);
  /**
   * The teacher's bits per byte on the same tokens.
   */
  'teacherBitsPerByte'?: (number | string);
  /**
   * Share of positions where both models rank the same token first, 0..1.
   */
  'top1Agreement'?: (number | string);
  /**
   * Mean KL(teacher || model) a position, nats.
   */
  'teacherKl'?: (number | string);
  /**
   * Parameters of the dense model it stands for.
   */
  'logicalParameters'?: (number | string | Long);
  /**
   * Elements over distinct stored tensors.
   */
  'storedParameters'?: (number | string | Long);
  /**
   * Bytes over distinct stored tensors.
   */
  'storedBytes'?: (number | string | Long);
  /**
   * Bytes held in memory by the model while it ran; 0 where that was not measured.
   */
  'residentBytes'?: (number | string | Long);
  /**
   * The teacher's stored bytes.
   */
  'teacherStoredBytes'?: (number | string | Long);
  /**
   * Latencies, where they were asked for.
   */
  'latencies'?: (_athanor_v1_Latency)[];
  /**
   * Share of scored tokens that were the model's likeliest token, 0..1.
   */
  'accuracy'?: (number | string);
  /**
   * For example "onnx on cpu".
   */
  'engine'?: (string);
  /**
   * The teacher's token perplexity on the same tokens.
   */
  'teacherTokenPerplexity'?: (number | string);
  /**
   * Of a classifier.
   */
  'classification'?: (_athanor_v1_ClassificationReport | null);
  /**
   * Of an encoder-decoder.
   */
  'sequences'?: (_athanor_v1_SequenceReport | null);
  /**
   * The teacher's accuracy on the same texts, of classifiers and of models of hidden tokens.
   */
  'teacherAccuracy'?: (number | string);
  /**
   * Of a model that guesses hidden tokens; `loss` and `accuracy` are those of the hidden tokens.
   */
  'hiddenTokens'?: (_athanor_v1_HiddenTokenReport | null);
  '_teacherBitsPerByte'?: "teacherBitsPerByte";
  '_top1Agreement'?: "top1Agreement";
  '_teacherKl'?: "teacherKl";
  '_teacherStoredBytes'?: "teacherStoredBytes";
  '_teacherTokenPerplexity'?: "teacherTokenPerplexity";
  '_teacherAccuracy'?: "teacherAccuracy";
}

/**
 * One model measured on one text, against a teacher where there is one. Optional fields are absent where they were not measured. Of classifiers
 * `loss` is that of a text and `accuracy` that of its label; of encoder-decoders both are those of the targets' tokens.
 */
export interface EvaluationReport__Output {
  /**
   * Model, as "name@version".
   */
  'model': (string);
  /**
   * Teacher, as "name@version"; empty when there was none.
   */
  'teacher': (string);
  /**
   * Name of the protocol, for example "windows 256, stride 128, every token after the first scored".
   */
  'protocol': (string);
  /**
   * Hash of the text.
   */
  'dataFingerprint': (string);
  /**
   * Scored tokens.
   */
  'scoredTokens': (number);
  /**
   * UTF-8 bytes that the scored tokens stand for.
   */
  'scoredBytes': (number);
  /**
   * Mean negative log-likelihood of a scored token, nats.
   */
  'loss': (number);
  /**
   * Negative log-likelihood in bits a UTF-8 byte.
   */
  'bitsPerByte': (number);
  /**
   * exp(loss).
   */
  'tokenPerplexity': (number);
  /**
   * The teacher's bits per byte on the same tokens.
   */
  'teacherBitsPerByte'?: (number);
  /**
   * Share of positions where both models rank the same token first, 0..1.
   */
  'top1Agreement'?: (number);
  /**
   * Mean KL(teacher || model) a position, nats.
   */
  'teacherKl'?: (number);
  /**
   * Parameters of the dense model it stands for.
   */
  'logicalParameters': (number);
  /**
   * Elements over distinct stored tensors.
   */
  'storedParameters': (number);
  /**
   * Bytes over distinct stored tensors.
   */
  'storedBytes': (number);
  /**
   * Bytes held in memory by the model while it ran; 0 where that was not measured.
   */
  'residentBytes': (number);
  /**
   * The teacher's stored bytes.
   */
  'teacherStoredBytes'?: (number);
  /**
   * Latencies, where they were asked for.
   */
  'latencies': (_athanor_v1_Latency__Output)[];
  /**
   * Share of scored tokens that were the model's likeliest token, 0..1.
   */
  'accuracy': (number);
  /**
   * For example "onnx on cpu".
   */
  'engine': (string);
  /**
   * The teacher's token perplexity on the same tokens.
   */
  'teacherTokenPerplexity'?: (number);
  /**
   * Of a classifier.
   */
  'classification': (_athanor_v1_ClassificationReport__Output | null);
  /**
   * Of an encoder-decoder.
   */
  'sequences': (_athanor_v1_SequenceReport__Output | null);
  /**
   * The teacher's accuracy on the same texts, of classifiers and of models of hidden tokens.
   */
  'teacherAccuracy'?: (number);
  /**
   * Of a model that guesses hidden tokens; `loss` and `accuracy` are those of the hidden tokens.
   */
  'hiddenTokens': (_athanor_v1_HiddenTokenReport__Output | null);
  '_teacherBitsPerByte'?: "teacherBitsPerByte";
  '_top1Agreement'?: "top1Agreement";
  '_teacherKl'?: "teacherKl";
  '_teacherStoredBytes'?: "teacherStoredBytes";
  '_teacherTokenPerplexity'?: "teacherTokenPerplexity";
  '_teacherAccuracy'?: "teacherAccuracy";
}

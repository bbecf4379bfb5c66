// Original file: proto/athanor/v1/losses.proto

import type { WeightSchedule as _athanor_v1_WeightSchedule, WeightSchedule__Output as _athanor_v1_WeightSchedule__Output } from '../../athanor/v1/WeightSchedule.ts';
import type { LayerPair as _athanor_v1_LayerPair, LayerPair__Output as _athanor_v1_LayerPair__Output } from '../../athanor/v1/LayerPair.ts';

/**
 * One term of what a student learns. Fields that do not go with the kind are errors.
 */
export interface DistillLoss {
  /**
   * "labels" (cross-entropy with the data), "logits" (divergence from the teachers' distributions), "hidden" (states of layers), "attention" (scores or
   * probabilities of attention), "relation" (relations between tokens) or "embeddings" (what the first layer reads).
   */
  'kind'?: (string);
  /**
   * Factor of the term, or its share in the gradient with `balance`: at least 0. Default 1.
   */
  'weight'?: (number | string);
  /**
   * A weight that moves with the steps, in place of `weight`. In YAML: weight: {from: 1, to: 0, steps: 500}.
   */
  'weightSchedule'?: (_athanor_v1_WeightSchedule | null);
  /**
   * Of "logits": "forward" (KL of teacher against student; default), "reverse" or "jsd" (generalized Jensen-Shannon).
   */
  'divergence'?: (string);
  /**
   * Of "jsd": the teacher's share of the mixture, 0..1; 0 and 1 are forward and reverse KL. Default 0.5.
   */
  'beta'?: (number | string);
  /**
   * Of "jsd": divide by beta * (1 - beta), so that it keeps the size of a KL. Default false.
   */
  'scaled'?: (boolean);
  /**
   * Of "logits": temperature of both distributions; the loss is multiplied by its square. Default 1.
   */
  'temperature'?: (number | string);
  /**
   * Of "hidden" and "embeddings": "mse" (default), "cosine" or "pkd" (mse of vectors of length 1). Of "attention": "mse" or "kl"; default mse of
   * scores and kl of probabilities.
   */
  'distance'?: (string);
  /**
   * Of "hidden" and "embeddings": "none", or "learned" for a trained matrix from the student's width to the teacher's. Default: where widths differ.
   */
  'projection'?: (string);
  /**
   * Of "hidden": "all" tokens (default), or the "first" of each text.
   */
  'tokens'?: (string);
  /**
   * Of "attention": "scores" (default) or "probabilities". Of "relation": "minilm", "minilmv2" (default) or "gram".
   */
  'of'?: (string);
  /**
   * Of "minilmv2": number of relation heads. Default: the heads of the student's layer.
   */
  'heads'?: (number);
  /**
   * Of "gram": between the "tokens" of each text (default), or between the texts of the "batch".
   */
  'over'?: (string);
  /**
   * Which layers learn from which: "uniform", "last" or "first". Default "uniform", of "relation" the last from the last.
   */
  'layers'?: (string);
  /**
   * Layers by pairs, in place of `layers`. In YAML: layers: [[0, 1], [-1, -1]].
   */
  'layerPairs'?: (_athanor_v1_LayerPair)[];
  /**
   * Which of the teachers, from 0, where insides are compared. Default 0.
   */
  'teacher'?: (number);
  /**
   * Of encoder-decoders: "decoder" (default) or "encoder".
   */
  'stack'?: (string);
  '_kind'?: "kind";
  '_weight'?: "weight";
  '_divergence'?: "divergence";
  '_beta'?: "beta";
  '_scaled'?: "scaled";
  '_temperature'?: "temperature";
  '_distance'?: "distance";
  '_projection'?: "projection";
  '_tokens'?: "tokens";
  '_of'?: "of";
  '_heads'?: "heads";
  '_over'?: "over";
  '_layers'?: "layers";
  '_teacher'?: "teacher";
  '_stack'?: "stack";
}

/**
 * One term of what a student learns. Fields that do not go with the kind are errors.
 */
export interface DistillLoss__Output {
  /**
   * "labels" (cross-entropy with the data), "logits" (divergence from the teachers' distributions), "hidden" (states of layers), "attention" (scores or
   * probabilities of attention), "relation" (relations between tokens) or "embeddings" (what the first layer reads).
   */
  'kind'?: (string);
  /**
   * Factor of the term, or its share in the gradient with `balance`: at least 0. Default 1.
   */
  'weight'?: (number);
  /**
   * A weight that moves with the steps, in place of `weight`. In YAML: weight: {from: 1, to: 0, steps: 500}.
   */
  'weightSchedule': (_athanor_v1_WeightSchedule__Output | null);
  /**
   * Of "logits": "forward" (KL of teacher against student; default), "reverse" or "jsd" (generalized Jensen-Shannon).
   */
  'divergence'?: (string);
  /**
   * Of "jsd": the teacher's share of the mixture, 0..1; 0 and 1 are forward and reverse KL. Default 0.5.
   */
  'beta'?: (number);
  /**
   * Of "jsd": divide by beta * (1 - beta), so that it keeps the size of a KL. Default false.
   */
  'scaled'?: (boolean);
  /**
   * Of "logits": temperature of both distributions; the loss is multiplied by its square. Default 1.
   */
  'temperature'?: (number);
  /**
   * Of "hidden" and "embeddings": "mse" (default), "cosine" or "pkd" (mse of vectors of length 1). Of "attention": "mse" or "kl"; default mse of
   * scores and kl of probabilities.
   */
  'distance'?: (string);
  /**
   * Of "hidden" and "embeddings": "none", or "learned" for a trained matrix from the student's width to the teacher's. Default: where widths differ.
   */
  'projection'?: (string);
  /**
   * Of "hidden": "all" tokens (default), or the "first" of each text.
   */
  'tokens'?: (string);
  /**
   * Of "attention": "scores" (default) or "probabilities". Of "relation": "minilm", "minilmv2" (default) or "gram".
   */
  'of'?: (string);
  /**
   * Of "minilmv2": number of relation heads. Default: the heads of the student's layer.
   */
  'heads'?: (number);
  /**
   * Of "gram": between the "tokens" of each text (default), or between the texts of the "batch".
   */
  'over'?: (string);
  /**
   * Which layers learn from which: "uniform", "last" or "first". Default "uniform", of "relation" the last from the last.
   */
  'layers'?: (string);
  /**
   * Layers by pairs, in place of `layers`. In YAML: layers: [[0, 1], [-1, -1]].
   */
  'layerPairs': (_athanor_v1_LayerPair__Output)[];
  /**
   * Which of the teachers, from 0, where insides are compared. Default 0.
   */
  'teacher'?: (number);
  /**
   * Of encoder-decoders: "decoder" (default) or "encoder".
   */
  'stack'?: (string);
  '_kind'?: "kind";
  '_weight'?: "weight";
  '_divergence'?: "divergence";
  '_beta'?: "beta";
  '_scaled'?: "scaled";
  '_temperature'?: "temperature";
  '_distance'?: "distance";
  '_projection'?: "projection";
  '_tokens'?: "tokens";
  '_of'?: "of";
  '_heads'?: "heads";
  '_over'?: "over";
  '_layers'?: "layers";
  '_teacher'?: "teacher";
  '_stack'?: "stack";
}

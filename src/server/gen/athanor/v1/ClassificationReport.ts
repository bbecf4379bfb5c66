// Original file: proto/athanor/v1/evaluation_report.proto

import type { Long } from '@grpc/proto-loader';

/**
 * How well a classifier guesses labels.
 */
export interface ClassificationReport {
  /**
   * Texts.
   */
  'examples'?: (number | string | Long);
  /**
   * Of the second label where there are two, else the mean over the labels.
   */
  'f1'?: (number | string);
  /**
   * Mean over the labels.
   */
  'macroF1'?: (number | string);
  /**
   * Matthews' correlation; with more than two labels Gorodkin's R_K.
   */
  'matthews'?: (number | string);
  /**
   * The model's labels, in their order.
   */
  'labels'?: (string)[];
  /**
   * Row by row: the right label, then the guess; as many numbers as labels squared.
   */
  'confusion'?: (number | string | Long)[];
}

/**
 * How well a classifier guesses labels.
 */
export interface ClassificationReport__Output {
  /**
   * Texts.
   */
  'examples': (number);
  /**
   * Of the second label where there are two, else the mean over the labels.
   */
  'f1': (number);
  /**
   * Mean over the labels.
   */
  'macroF1': (number);
  /**
   * Matthews' correlation; with more than two labels Gorodkin's R_K.
   */
  'matthews': (number);
  /**
   * The model's labels, in their order.
   */
  'labels': (string)[];
  /**
   * Row by row: the right label, then the guess; as many numbers as labels squared.
   */
  'confusion': (number)[];
}

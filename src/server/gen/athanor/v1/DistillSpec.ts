// Original file: proto/athanor/v1/job.proto

import type { TextData as _athanor_v1_TextData, TextData__Output as _athanor_v1_TextData__Output } from '../../athanor/v1/TextData.ts';
import type { DistillSettings as _athanor_v1_DistillSettings, DistillSettings__Output as _athanor_v1_DistillSettings__Output } from '../../athanor/v1/DistillSettings.ts';
import type { DistillTeacher as _athanor_v1_DistillTeacher, DistillTeacher__Output as _athanor_v1_DistillTeacher__Output } from '../../athanor/v1/DistillTeacher.ts';

/**
 * Trains a student and stores the result.
 */
export interface DistillSpec {
  /**
   * Model to train; the stored version stays as it is.
   */
  'student'?: (string);
  /**
   * Teacher; empty trains with cross-entropy alone.
   */
  'teacher'?: (string);
  /**
   * Name to store the result under; empty stores a new version of the student.
   */
  'name'?: (string);
  /**
   * Training text.
   */
  'data'?: (_athanor_v1_TextData | null);
  /**
   * Text that is measured while training; empty measures nothing.
   */
  'validation'?: (_athanor_v1_TextData | null);
  /**
   * How to train.
   */
  'settings'?: (_athanor_v1_DistillSettings | null);
  /**
   * Start from random weights of the student's shape in place of its own.
   */
  'fromScratch'?: (boolean);
  /**
   * Store a new version when `name` exists; otherwise that is the error model_exists.
   */
  'replace'?: (boolean);
  /**
   * Labels of the classifier that the student is to be, in their order; a new head begins at random. Empty keeps the labels that it has, and gives
   * an encoder without any those of the teacher, else those of the data.
   */
  'labels'?: (string)[];
  /**
   * Several teachers with the student's tokenizer, in place of `teacher`. Measurements compare with the first.
   */
  'teachers'?: (_athanor_v1_DistillTeacher)[];
}

/**
 * Trains a student and stores the result.
 */
export interface DistillSpec__Output {
  /**
   * Model to train; the stored version stays as it is.
   */
  'student': (string);
  /**
   * Teacher; empty trains with cross-entropy alone.
   */
  'teacher': (string);
  /**
   * Name to store the result under; empty stores a new version of the student.
   */
  'name': (string);
  /**
   * Training text.
   */
  'data': (_athanor_v1_TextData__Output | null);
  /**
   * Text that is measured while training; empty measures nothing.
   */
  'validation': (_athanor_v1_TextData__Output | null);
  /**
   * How to train.
   */
  'settings': (_athanor_v1_DistillSettings__Output | null);
  /**
   * Start from random weights of the student's shape in place of its own.
   */
  'fromScratch': (boolean);
  /**
   * Store a new version when `name` exists; otherwise that is the error model_exists.
   */
  'replace': (boolean);
  /**
   * Labels of the classifier that the student is to be, in their order; a new head begins at random. Empty keeps the labels that it has, and gives
   * an encoder without any those of the teacher, else those of the data.
   */
  'labels': (string)[];
  /**
   * Several teachers with the student's tokenizer, in place of `teacher`. Measurements compare with the first.
   */
  'teachers': (_athanor_v1_DistillTeacher__Output)[];
}

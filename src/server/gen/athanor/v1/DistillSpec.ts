// Original file: proto/athanor/v1/job.proto

import type { TextData as _athanor_v1_TextData, TextData__Output as _athanor_v1_TextData__Output } from '../../athanor/v1/TextData.ts';
import type { DistillSettings as _athanor_v1_DistillSettings, DistillSettings__Output as _athanor_v1_DistillSettings__Output } from '../../athanor/v1/DistillSettings.ts';
import type { DistillTeacher as _athanor_v1_DistillTeacher, DistillTeacher__Output as _athanor_v1_DistillTeacher__Output } from '../../athanor/v1/DistillTeacher.ts';
import type { OnPolicy as _athanor_v1_OnPolicy, OnPolicy__Output as _athanor_v1_OnPolicy__Output } from '../../athanor/v1/OnPolicy.ts';
import type { SequenceLevel as _athanor_v1_SequenceLevel, SequenceLevel__Output as _athanor_v1_SequenceLevel__Output } from '../../athanor/v1/SequenceLevel.ts';

/**
 * Trains a student and stores the result.
 */
export interface DistillSpec {
  /**
   * Model to train; the stored version stays as it is.
   */
  'student'?: (string);
  /**
   * Teacher: a model of this server, or "athanor://host:port/model" for one on another athanor server, which is asked batch by batch. Empty trains
   * with cross-entropy alone, or from `recording`.
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
  /**
   * Folder on the server with a recorded teacher, in place of `teacher`; a record job makes it.
   */
  'recording'?: (string);
  /**
   * Likeliest answers that a teacher on another server sends of each row, with the probability of all others together. Default: every answer, in
   * half precision.
   */
  'teacherTopK'?: (number);
  /**
   * Learn on the student's own continuations in a share of the steps; all teachers must be on this server. There `losses` hold over the drawn tokens,
   * without "labels".
   */
  'onPolicy'?: (_athanor_v1_OnPolicy | null);
  /**
   * Train on what the teacher writes: sequence-level distillation of models that write texts. The teacher must be on this server.
   */
  'sequenceLevel'?: (_athanor_v1_SequenceLevel | null);
  '_teacherTopK'?: "teacherTopK";
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
   * Teacher: a model of this server, or "athanor://host:port/model" for one on another athanor server, which is asked batch by batch. Empty trains
   * with cross-entropy alone, or from `recording`.
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
  /**
   * Folder on the server with a recorded teacher, in place of `teacher`; a record job makes it.
   */
  'recording': (string);
  /**
   * Likeliest answers that a teacher on another server sends of each row, with the probability of all others together. Default: every answer, in
   * half precision.
   */
  'teacherTopK'?: (number);
  /**
   * Learn on the student's own continuations in a share of the steps; all teachers must be on this server. There `losses` hold over the drawn tokens,
   * without "labels".
   */
  'onPolicy': (_athanor_v1_OnPolicy__Output | null);
  /**
   * Train on what the teacher writes: sequence-level distillation of models that write texts. The teacher must be on this server.
   */
  'sequenceLevel': (_athanor_v1_SequenceLevel__Output | null);
  '_teacherTopK'?: "teacherTopK";
}

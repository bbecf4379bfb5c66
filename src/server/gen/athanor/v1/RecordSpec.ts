// Original file: proto/athanor/v1/teacher.proto

import type { TextData as _athanor_v1_TextData, TextData__Output as _athanor_v1_TextData__Output } from '../../athanor/v1/TextData.ts';
import type { RecordSettings as _athanor_v1_RecordSettings, RecordSettings__Output as _athanor_v1_RecordSettings__Output } from '../../athanor/v1/RecordSettings.ts';

/**
 * Runs a teacher over data once and writes down its likeliest answers, for any number of trainings.
 */
export interface RecordSpec {
  /**
   * Teacher: a model of this server.
   */
  'teacher'?: (string);
  /**
   * What trainings from the recording will read.
   */
  'data'?: (_athanor_v1_TextData | null);
  /**
   * Folder on the server; what a stopped job left there is gone on with. It must not exist otherwise.
   */
  'path'?: (string);
  /**
   * How to record.
   */
  'settings'?: (_athanor_v1_RecordSettings | null);
}

/**
 * Runs a teacher over data once and writes down its likeliest answers, for any number of trainings.
 */
export interface RecordSpec__Output {
  /**
   * Teacher: a model of this server.
   */
  'teacher': (string);
  /**
   * What trainings from the recording will read.
   */
  'data': (_athanor_v1_TextData__Output | null);
  /**
   * Folder on the server; what a stopped job left there is gone on with. It must not exist otherwise.
   */
  'path': (string);
  /**
   * How to record.
   */
  'settings': (_athanor_v1_RecordSettings__Output | null);
}

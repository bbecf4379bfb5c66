// Original file: proto/athanor/v1/model.proto

import type { Parent as _athanor_v1_Parent, Parent__Output as _athanor_v1_Parent__Output } from '../../athanor/v1/Parent.ts';

/**
 * Where a model comes from.
 */
export interface Lineage {
  /**
   * "import", "compress" or "distill".
   */
  'operation'?: (string);
  /**
   * Models it was made from: first the one that was changed, then a teacher.
   */
  'parents'?: (_athanor_v1_Parent)[];
  /**
   * The recipe or settings it was made with, as JSON.
   */
  'settingsJson'?: (string);
  /**
   * Job that made it.
   */
  'jobId'?: (string);
  /**
   * Hash of the text it was made with; empty when none was used.
   */
  'dataFingerprint'?: (string);
}

/**
 * Where a model comes from.
 */
export interface Lineage__Output {
  /**
   * "import", "compress" or "distill".
   */
  'operation': (string);
  /**
   * Models it was made from: first the one that was changed, then a teacher.
   */
  'parents': (_athanor_v1_Parent__Output)[];
  /**
   * The recipe or settings it was made with, as JSON.
   */
  'settingsJson': (string);
  /**
   * Job that made it.
   */
  'jobId': (string);
  /**
   * Hash of the text it was made with; empty when none was used.
   */
  'dataFingerprint': (string);
}

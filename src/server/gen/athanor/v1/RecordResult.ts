// Original file: proto/athanor/v1/teacher.proto

import type { MemoryReport as _athanor_v1_MemoryReport, MemoryReport__Output as _athanor_v1_MemoryReport__Output } from '../../athanor/v1/MemoryReport.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * Result of a recording.
 */
export interface RecordResult {
  /**
   * Folder on the server.
   */
  'path'?: (string);
  /**
   * Windows, texts or pairs that were run.
   */
  'examples'?: (number | string | Long);
  /**
   * Distributions that were written.
   */
  'rows'?: (number | string | Long);
  /**
   * Size of the folder's shards, bytes.
   */
  'sizeBytes'?: (number | string | Long);
  /**
   * The teacher, with its version.
   */
  'teacher'?: (string);
  /**
   * Expected and measured.
   */
  'memory'?: (_athanor_v1_MemoryReport | null);
}

/**
 * Result of a recording.
 */
export interface RecordResult__Output {
  /**
   * Folder on the server.
   */
  'path': (string);
  /**
   * Windows, texts or pairs that were run.
   */
  'examples': (number);
  /**
   * Distributions that were written.
   */
  'rows': (number);
  /**
   * Size of the folder's shards, bytes.
   */
  'sizeBytes': (number);
  /**
   * The teacher, with its version.
   */
  'teacher': (string);
  /**
   * Expected and measured.
   */
  'memory': (_athanor_v1_MemoryReport__Output | null);
}

// Original file: proto/athanor/v1/teacher.proto

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
}

// Original file: proto/athanor/v1/job.proto

import type { Long } from '@grpc/proto-loader';

/**
 * One file of an export.
 */
export interface ExportedFile {
  /**
   * File name inside the folder.
   */
  'fileName'?: (string);
  /**
   * Its size, bytes.
   */
  'sizeBytes'?: (number | string | Long);
}

/**
 * One file of an export.
 */
export interface ExportedFile__Output {
  /**
   * File name inside the folder.
   */
  'fileName': (string);
  /**
   * Its size, bytes.
   */
  'sizeBytes': (number);
}

// Original file: proto/athanor/v1/job.proto

import type { ExportFormat as _athanor_v1_ExportFormat, ExportFormat__Output as _athanor_v1_ExportFormat__Output } from '../../athanor/v1/ExportFormat.ts';

/**
 * Writes a model in another layout to a folder of the server.
 */
export interface ExportSpec {
  /**
   * Model to write.
   */
  'model'?: (string);
  /**
   * Layout to write.
   */
  'format'?: (_athanor_v1_ExportFormat);
  /**
   * Folder to make on the server; it must not exist. Empty keeps the files with the job.
   */
  'path'?: (string);
}

/**
 * Writes a model in another layout to a folder of the server.
 */
export interface ExportSpec__Output {
  /**
   * Model to write.
   */
  'model': (string);
  /**
   * Layout to write.
   */
  'format': (_athanor_v1_ExportFormat__Output);
  /**
   * Folder to make on the server; it must not exist. Empty keeps the files with the job.
   */
  'path': (string);
}

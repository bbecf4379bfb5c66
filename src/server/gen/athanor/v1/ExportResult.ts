// Original file: proto/athanor/v1/job.proto

import type { ExportedFile as _athanor_v1_ExportedFile, ExportedFile__Output as _athanor_v1_ExportedFile__Output } from '../../athanor/v1/ExportedFile.ts';

/**
 * Result of an export.
 */
export interface ExportResult {
  /**
   * Folder on the server; empty when the files stay with the job.
   */
  'path'?: (string);
  /**
   * The files that were written.
   */
  'files'?: (_athanor_v1_ExportedFile)[];
  /**
   * What the layout cannot say of the model, one sentence each.
   */
  'notes'?: (string)[];
}

/**
 * Result of an export.
 */
export interface ExportResult__Output {
  /**
   * Folder on the server; empty when the files stay with the job.
   */
  'path': (string);
  /**
   * The files that were written.
   */
  'files': (_athanor_v1_ExportedFile__Output)[];
  /**
   * What the layout cannot say of the model, one sentence each.
   */
  'notes': (string)[];
}

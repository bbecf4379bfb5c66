// Original file: proto/athanor/v1/job.proto

import type { ExportedFile as _athanor_v1_ExportedFile, ExportedFile__Output as _athanor_v1_ExportedFile__Output } from '../../athanor/v1/ExportedFile.ts';
import type { MemoryReport as _athanor_v1_MemoryReport, MemoryReport__Output as _athanor_v1_MemoryReport__Output } from '../../athanor/v1/MemoryReport.ts';

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
  /**
   * Expected and measured.
   */
  'memory'?: (_athanor_v1_MemoryReport | null);
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
  /**
   * Expected and measured.
   */
  'memory': (_athanor_v1_MemoryReport__Output | null);
}

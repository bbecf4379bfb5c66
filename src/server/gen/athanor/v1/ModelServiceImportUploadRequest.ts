// Original file: proto/athanor/v1/model.proto

import type { UploadHeader as _athanor_v1_UploadHeader, UploadHeader__Output as _athanor_v1_UploadHeader__Output } from '../../athanor/v1/UploadHeader.ts';
import type { FileChunk as _athanor_v1_FileChunk, FileChunk__Output as _athanor_v1_FileChunk__Output } from '../../athanor/v1/FileChunk.ts';

export interface ModelServiceImportUploadRequest {
  /**
   * The first message.
   */
  'header'?: (_athanor_v1_UploadHeader | null);
  /**
   * Every further message.
   */
  'chunk'?: (_athanor_v1_FileChunk | null);
  /**
   * First a header, then chunks.
   */
  'part'?: "header"|"chunk";
}

export interface ModelServiceImportUploadRequest__Output {
  /**
   * The first message.
   */
  'header'?: (_athanor_v1_UploadHeader__Output | null);
  /**
   * Every further message.
   */
  'chunk'?: (_athanor_v1_FileChunk__Output | null);
  /**
   * First a header, then chunks.
   */
  'part'?: "header"|"chunk";
}

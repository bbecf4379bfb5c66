// Original file: proto/athanor/v1/model.proto

import type { FileChunk as _athanor_v1_FileChunk, FileChunk__Output as _athanor_v1_FileChunk__Output } from '../../athanor/v1/FileChunk.ts';

export interface ModelServiceExportResponse {
  /**
   * The next piece.
   */
  'chunk'?: (_athanor_v1_FileChunk | null);
}

export interface ModelServiceExportResponse__Output {
  /**
   * The next piece.
   */
  'chunk': (_athanor_v1_FileChunk__Output | null);
}

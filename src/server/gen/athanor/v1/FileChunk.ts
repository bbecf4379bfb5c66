// Original file: proto/athanor/v1/model.proto

import type { Long } from '@grpc/proto-loader';

/**
 * A piece of a file, at most 1 MiB. The pieces of a file come in order and without gaps.
 */
export interface FileChunk {
  /**
   * File name inside the folder, for example "model.safetensors"; "/" separates folders.
   */
  'fileName'?: (string);
  /**
   * Where `data` starts in the file, bytes.
   */
  'offsetBytes'?: (number | string | Long);
  /**
   * Content; empty for an empty file.
   */
  'data'?: (Buffer | Uint8Array | string);
  /**
   * Size of the whole file, bytes.
   */
  'fileSizeBytes'?: (number | string | Long);
}

/**
 * A piece of a file, at most 1 MiB. The pieces of a file come in order and without gaps.
 */
export interface FileChunk__Output {
  /**
   * File name inside the folder, for example "model.safetensors"; "/" separates folders.
   */
  'fileName': (string);
  /**
   * Where `data` starts in the file, bytes.
   */
  'offsetBytes': (number);
  /**
   * Content; empty for an empty file.
   */
  'data': (Buffer);
  /**
   * Size of the whole file, bytes.
   */
  'fileSizeBytes': (number);
}

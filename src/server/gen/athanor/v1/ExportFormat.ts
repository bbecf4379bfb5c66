// Original file: proto/athanor/v1/model.proto

/**
 * A layout that a model can be written in.
 */
export const ExportFormat = {
  /**
   * Not a valid request.
   */
  EXPORT_FORMAT_UNSPECIFIED: 'EXPORT_FORMAT_UNSPECIFIED',
  /**
   * A Hugging Face folder with dense weights.
   */
  EXPORT_FORMAT_HF: 'EXPORT_FORMAT_HF',
  /**
   * An ONNX model with external data.
   */
  EXPORT_FORMAT_ONNX: 'EXPORT_FORMAT_ONNX',
} as const;

/**
 * A layout that a model can be written in.
 */
export type ExportFormat =
  /**
   * Not a valid request.
   */
  | 'EXPORT_FORMAT_UNSPECIFIED'
  | 0
  /**
   * A Hugging Face folder with dense weights.
   */
  | 'EXPORT_FORMAT_HF'
  | 1
  /**
   * An ONNX model with external data.
   */
  | 'EXPORT_FORMAT_ONNX'
  | 2

/**
 * A layout that a model can be written in.
 */
export type ExportFormat__Output = typeof ExportFormat[keyof typeof ExportFormat]

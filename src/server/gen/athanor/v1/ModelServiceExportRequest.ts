// Original file: proto/athanor/v1/model.proto

import type { ExportFormat as _athanor_v1_ExportFormat, ExportFormat__Output as _athanor_v1_ExportFormat__Output } from '../../athanor/v1/ExportFormat.ts';

export interface ModelServiceExportRequest {
  /**
   * Name of the model.
   */
  'name'?: (string);
  /**
   * Layout to write.
   */
  'format'?: (_athanor_v1_ExportFormat);
}

export interface ModelServiceExportRequest__Output {
  /**
   * Name of the model.
   */
  'name': (string);
  /**
   * Layout to write.
   */
  'format': (_athanor_v1_ExportFormat__Output);
}

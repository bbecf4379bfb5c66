// Original file: proto/inference/grpc_service.proto


/**
 * Values of one setting.
 */
export interface _inference_TraceSettingResponse_SettingValue {
  /**
   * The values.
   */
  'value'?: (string)[];
}

/**
 * Values of one setting.
 */
export interface _inference_TraceSettingResponse_SettingValue__Output {
  /**
   * The values.
   */
  'value': (string)[];
}

export interface TraceSettingResponse {
  /**
   * The settings in force.
   */
  'settings'?: ({[key: string]: _inference_TraceSettingResponse_SettingValue});
}

export interface TraceSettingResponse__Output {
  /**
   * The settings in force.
   */
  'settings': ({[key: string]: _inference_TraceSettingResponse_SettingValue__Output});
}

// Original file: proto/inference/grpc_service.proto


/**
 * Values of one setting.
 */
export interface _inference_TraceSettingRequest_SettingValue {
  /**
   * The values.
   */
  'value'?: (string)[];
}

/**
 * Values of one setting.
 */
export interface _inference_TraceSettingRequest_SettingValue__Output {
  /**
   * The values.
   */
  'value': (string)[];
}

export interface TraceSettingRequest {
  /**
   * Settings to change; none only asks.
   */
  'settings'?: ({[key: string]: _inference_TraceSettingRequest_SettingValue});
  /**
   * Name of a model; empty is the server.
   */
  'modelName'?: (string);
}

export interface TraceSettingRequest__Output {
  /**
   * Settings to change; none only asks.
   */
  'settings': ({[key: string]: _inference_TraceSettingRequest_SettingValue__Output});
  /**
   * Name of a model; empty is the server.
   */
  'modelName': (string);
}

// Original file: proto/inference/grpc_service.proto


/**
 * Value of one setting.
 */
export interface _inference_LogSettingsRequest_SettingValue {
  /**
   * True or false.
   */
  'boolParam'?: (boolean);
  /**
   * A whole number.
   */
  'uint32Param'?: (number);
  /**
   * A text.
   */
  'stringParam'?: (string);
  /**
   * The value.
   */
  'parameterChoice'?: "boolParam"|"uint32Param"|"stringParam";
}

/**
 * Value of one setting.
 */
export interface _inference_LogSettingsRequest_SettingValue__Output {
  /**
   * True or false.
   */
  'boolParam'?: (boolean);
  /**
   * A whole number.
   */
  'uint32Param'?: (number);
  /**
   * A text.
   */
  'stringParam'?: (string);
  /**
   * The value.
   */
  'parameterChoice'?: "boolParam"|"uint32Param"|"stringParam";
}

export interface LogSettingsRequest {
  /**
   * Settings to change; none only asks.
   */
  'settings'?: ({[key: string]: _inference_LogSettingsRequest_SettingValue});
}

export interface LogSettingsRequest__Output {
  /**
   * Settings to change; none only asks.
   */
  'settings': ({[key: string]: _inference_LogSettingsRequest_SettingValue__Output});
}

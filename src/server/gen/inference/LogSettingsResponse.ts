// Original file: proto/inference/grpc_service.proto


/**
 * Value of one setting.
 */
export interface _inference_LogSettingsResponse_SettingValue {
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
export interface _inference_LogSettingsResponse_SettingValue__Output {
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

export interface LogSettingsResponse {
  /**
   * The settings in force.
   */
  'settings'?: ({[key: string]: _inference_LogSettingsResponse_SettingValue});
}

export interface LogSettingsResponse__Output {
  /**
   * The settings in force.
   */
  'settings': ({[key: string]: _inference_LogSettingsResponse_SettingValue__Output});
}

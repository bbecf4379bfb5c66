// Original file: proto/grpc/health/v1/health.proto


// Original file: proto/grpc/health/v1/health.proto

/**
 * What a service does.
 */
export const _grpc_health_v1_HealthCheckResponse_ServingStatus = {
  /**
   * Not known.
   */
  UNKNOWN: 'UNKNOWN',
  /**
   * It takes calls.
   */
  SERVING: 'SERVING',
  /**
   * It takes none.
   */
  NOT_SERVING: 'NOT_SERVING',
  /**
   * There is none of this name; in Watch only.
   */
  SERVICE_UNKNOWN: 'SERVICE_UNKNOWN',
} as const;

/**
 * What a service does.
 */
export type _grpc_health_v1_HealthCheckResponse_ServingStatus =
  /**
   * Not known.
   */
  | 'UNKNOWN'
  | 0
  /**
   * It takes calls.
   */
  | 'SERVING'
  | 1
  /**
   * It takes none.
   */
  | 'NOT_SERVING'
  | 2
  /**
   * There is none of this name; in Watch only.
   */
  | 'SERVICE_UNKNOWN'
  | 3

/**
 * What a service does.
 */
export type _grpc_health_v1_HealthCheckResponse_ServingStatus__Output = typeof _grpc_health_v1_HealthCheckResponse_ServingStatus[keyof typeof _grpc_health_v1_HealthCheckResponse_ServingStatus]

export interface HealthCheckResponse {
  /**
   * What it does now.
   */
  'status'?: (_grpc_health_v1_HealthCheckResponse_ServingStatus);
}

export interface HealthCheckResponse__Output {
  /**
   * What it does now.
   */
  'status': (_grpc_health_v1_HealthCheckResponse_ServingStatus__Output);
}

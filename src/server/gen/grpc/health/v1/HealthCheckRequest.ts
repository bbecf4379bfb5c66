// Original file: proto/grpc/health/v1/health.proto


export interface HealthCheckRequest {
  /**
   * Full name of a service, `model/NAME` for a model; empty is the whole server.
   */
  'service'?: (string);
}

export interface HealthCheckRequest__Output {
  /**
   * Full name of a service, `model/NAME` for a model; empty is the whole server.
   */
  'service': (string);
}

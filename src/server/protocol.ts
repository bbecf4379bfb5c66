// The wire contract as grpc-js needs it: the proto files, how messages become objects, and the limits. Server and client share it.
import { fileURLToPath } from 'node:url';
import type { ChannelOptions, ServiceDefinition } from '@grpc/grpc-js';
import { loadSync, type Options } from '@grpc/proto-loader';
import { invariant } from '#base';
import type { CompressionServiceDefinition } from './gen/athanor/v1/CompressionService.ts';
import type { DistillationServiceDefinition } from './gen/athanor/v1/DistillationService.ts';
import type { EvaluationServiceDefinition } from './gen/athanor/v1/EvaluationService.ts';
import type { InferenceServiceDefinition } from './gen/athanor/v1/InferenceService.ts';
import type { JobServiceDefinition } from './gen/athanor/v1/JobService.ts';
import type { ModelServiceDefinition } from './gen/athanor/v1/ModelService.ts';
import type { HealthDefinition } from './gen/grpc/health/v1/Health.ts';
import type { ServerReflectionDefinition } from './gen/grpc/reflection/v1/ServerReflection.ts';
import type { GRPCInferenceServiceDefinition } from './gen/inference/GRPCInferenceService.ts';

export const protoFolder = fileURLToPath(new URL('../../proto', import.meta.url));

/** `npm run generate` makes the types in `gen/` with the same options. 64-bit fields count bytes, parameters and milliseconds: all below 2^53. */
const loaderOptions: Options = {
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
  includeDirs: [protoFolder],
};

/** In that folder. */
export const serviceFiles = [
  ...['model', 'job', 'compression', 'distillation', 'evaluation', 'inference'].map((name) => `athanor/v1/${name}.proto`),
  'inference/grpc_service.proto',
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
  'grpc/reflection/v1alpha/reflection.proto',
];

/** Largest message in either direction. Weights and files go as chunks of at most `chunkBytes`. */
export const maxMessageBytes = 8 * 1024 * 1024;

export const chunkBytes = 1024 * 1024;

/** Set on both ends on purpose: the defaults are 4 MiB one way and no limit the other way. */
export const messageLimits: ChannelOptions = {
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.max_send_message_length': maxMessageBytes,
};

export interface Protocol {
  readonly model: ModelServiceDefinition;
  readonly job: JobServiceDefinition;
  readonly compression: CompressionServiceDefinition;
  readonly distillation: DistillationServiceDefinition;
  readonly evaluation: EvaluationServiceDefinition;
  readonly inference: InferenceServiceDefinition;
  /** The Open Inference Protocol. */
  readonly openInference: GRPCInferenceServiceDefinition;
  readonly health: HealthDefinition;
  readonly reflection: ServerReflectionDefinition;
  readonly reflectionAlpha: ServerReflectionDefinition;
}

/** Full names of the services. */
const serviceNames: { readonly [Name in keyof Protocol]: string } = {
  model: 'athanor.v1.ModelService',
  job: 'athanor.v1.JobService',
  compression: 'athanor.v1.CompressionService',
  distillation: 'athanor.v1.DistillationService',
  evaluation: 'athanor.v1.EvaluationService',
  inference: 'athanor.v1.InferenceService',
  openInference: 'inference.GRPCInferenceService',
  health: 'grpc.health.v1.Health',
  reflection: 'grpc.reflection.v1.ServerReflection',
  reflectionAlpha: 'grpc.reflection.v1alpha.ServerReflection',
};

/** Those that say nothing of models: they have no health of their own. */
const probes: readonly (keyof Protocol)[] = ['health', 'reflection', 'reflectionAlpha'];

/** Services whose health can be asked. */
export const checkedServices: readonly string[] = Object.entries(serviceNames).flatMap(([key, name]) =>
  probes.some((probe) => probe === key) ? [] : [name],
);

let loaded: Protocol | undefined;

/** Reads the proto files of the package, once. */
export function protocol(): Protocol {
  if (loaded !== undefined) return loaded;
  const definitions = loadSync(serviceFiles, loaderOptions);
  const service = <Definition extends ServiceDefinition>(name: keyof Protocol): Definition => {
    const definition = definitions[serviceNames[name]];
    invariant(definition !== undefined && !('format' in definition), `${serviceNames[name]} is no service of the proto files`);
    return definition as ServiceDefinition as Definition;
  };
  loaded = {
    model: service('model'),
    job: service('job'),
    compression: service('compression'),
    distillation: service('distillation'),
    evaluation: service('evaluation'),
    inference: service('inference'),
    openInference: service('openInference'),
    health: service('health'),
    reflection: service('reflection'),
    reflectionAlpha: service('reflectionAlpha'),
  };
  return loaded;
}

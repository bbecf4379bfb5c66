// The service of the Open Inference Protocol: who answers which call.
import { AppError } from '#base';
import type { CallGate } from '../calls.ts';
import type { GRPCInferenceServiceHandlers } from '../gen/inference/GRPCInferenceService.ts';
import { infer, Preparation } from './infer.ts';
import { configMessage, metadataMessage } from './model-messages.ts';
import { repositoryCalls } from './repository.ts';
import { ServedModels, type ServedModelsOptions } from './served-models.ts';
import { logSettings, traceSettings } from './settings.ts';
import { StatisticsBook } from './statistics.ts';
import { streamInfer } from './stream-infer.ts';

export interface TritonOptions extends ServedModelsOptions {
  /** Of the program. */
  readonly serverVersion: string;
  /** Whether the server wants work. */
  readonly isReady: () => boolean;
  /** Lets calls in while the server stops: those that ask for its state. */
  readonly probes: CallGate;
}

/** What goes beyond the core of the protocol. */
const extensions = [
  'model_repository',
  'model_repository(unload_dependents)',
  'schedule_policy',
  'model_configuration',
  'binary_tensor_data',
  'parameters',
  'statistics',
];

export function tritonService(gate: CallGate, { serverVersion, isReady, probes, ...options }: TritonOptions): GRPCInferenceServiceHandlers {
  const models = new ServedModels(options);
  const book = new StatisticsBook();
  const preparation = new Preparation(models, book);
  // In words of their own: a call without a handler answers in those of the library.
  const noSharedMemory = gate.unary<unknown, never>(async () => {
    throw new AppError('unsupported', 'shared memory is not served. Send tensors in the request.');
  });
  return {
    ServerLive: probes.unary(async () => ({ live: true })),
    ServerReady: probes.unary(async () => ({ ready: isReady() })),
    ModelReady: gate.unary(async ({ name, version }) => ({ ready: (await models.state(name, version)).state === 'READY' })),
    ServerMetadata: gate.unary(async () => ({ name: 'athanor', version: serverVersion, extensions })),
    ModelMetadata: gate.unary(async ({ name, version }) => metadataMessage(await models.find(name, version))),
    ModelConfig: gate.unary(async ({ name, version }) => ({ config: configMessage(await models.find(name, version)) })),
    ModelInfer: gate.unary((request, { signal }) => infer(preparation, request, signal)),
    ModelStreamInfer: gate.bidiStream((requests, send, context) => streamInfer(preparation, requests, send, context)),
    ModelStatistics: gate.unary(async ({ name, version }) => {
      if (name === '') return { modelStats: book.all().map((counts) => counts.message()) };
      // Of a model that nobody has asked yet: all zero.
      return { modelStats: [book.of(await models.state(name, version)).message()] };
    }),
    ...repositoryCalls(gate, models),
    TraceSetting: gate.unary(async ({ settings }) => traceSettings(settings)),
    LogSettings: gate.unary(async ({ settings }) => logSettings(settings)),
    SystemSharedMemoryStatus: noSharedMemory,
    SystemSharedMemoryRegister: noSharedMemory,
    SystemSharedMemoryUnregister: noSharedMemory,
    CudaSharedMemoryStatus: noSharedMemory,
    CudaSharedMemoryRegister: noSharedMemory,
    CudaSharedMemoryUnregister: noSharedMemory,
  };
}

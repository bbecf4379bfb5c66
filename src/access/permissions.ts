// What every call needs. A call that is not in a table is refused: whoever adds one says here who may make it.
import type { Need } from './role.ts';

const inference = 'athanor.v1.InferenceService';
const models = 'athanor.v1.ModelService';
const jobs = 'athanor.v1.JobService';
const triton = 'inference.GRPCInferenceService';

function of(service: string, need: Need, methods: readonly string[]): (readonly [string, Need])[] {
  return methods.map((method) => [`/${service}/${method}`, need] as const);
}

/** By the path of a gRPC call. */
const calls: ReadonlyMap<string, Need> = new Map([
  // Probes must work without a token, as those of an orchestrator do.
  ...of('grpc.health.v1.Health', 'open', ['Check', 'List', 'Watch']),
  ...of(triton, 'open', ['ServerLive', 'ServerReady']),
  ...of('grpc.reflection.v1.ServerReflection', 'read', ['ServerReflectionInfo']),
  ...of('grpc.reflection.v1alpha.ServerReflection', 'read', ['ServerReflectionInfo']),
  ...of(models, 'read', ['List', 'Get', 'Promotions']),
  ...of(models, 'train', ['Import', 'ImportUpload', 'Load', 'Export']),
  ...of(models, 'admin', ['Unload', 'Delete', 'Promote', 'RollBack']),
  ...of(jobs, 'read', ['Get', 'List', 'Watch']),
  ...of(jobs, 'train', ['Submit', 'Cancel', 'Pause', 'Resume', 'Retry', 'Forget']),
  ...of('athanor.v1.CompressionService', 'train', ['Compress']),
  ...of('athanor.v1.DistillationService', 'train', ['Distill']),
  ...of('athanor.v1.EvaluationService', 'train', ['Evaluate']),
  ...of(inference, 'infer', ['Generate', 'Score', 'Tokenize', 'Detokenize', 'Classify', 'Embed', 'FillMask', 'Distributions']),
  ...of(triton, 'read', ['ServerMetadata', 'ModelReady', 'ModelMetadata', 'ModelConfig', 'ModelStatistics', 'RepositoryIndex']),
  ...of(triton, 'read', ['SystemSharedMemoryStatus', 'CudaSharedMemoryStatus']),
  ...of(triton, 'infer', ['ModelInfer', 'ModelStreamInfer']),
  ...of(triton, 'train', ['RepositoryModelLoad']),
  ...of(triton, 'admin', ['RepositoryModelUnload', 'TraceSetting', 'LogSettings']),
  ...of(triton, 'admin', [
    'SystemSharedMemoryRegister',
    'SystemSharedMemoryUnregister',
    'CudaSharedMemoryRegister',
    'CudaSharedMemoryUnregister',
  ]),
]);

/** By the path of an HTTP request, without the model that may stand before it. */
const requests: ReadonlyMap<string, Need> = new Map<string, Need>([
  ['/health', 'open'],
  ['/metrics', 'read'],
  ['/v1/models', 'read'],
  ['/tokenizer_info', 'read'],
  ['/v1/completions', 'infer'],
  ['/v1/chat/completions', 'infer'],
  ['/v1/embeddings', 'infer'],
  ['/tokenize', 'infer'],
  ['/detokenize', 'infer'],
]);

/** What a gRPC call needs; undefined for one that nobody may make. */
export function needOfCall(path: string): Need | undefined {
  return calls.get(path);
}

/** What an HTTP request needs; undefined for one that nobody may make. */
export function needOfRequest(url: string): Need | undefined {
  const path = url.replace(/[?#].*$/, '').replace(/(.)\/+$/, '$1');
  const own = path.replace(/^\/models\/[^/]+(?=\/)/, '');
  return requests.get(own) ?? (/^\/v1\/models\/[^/]+$/.test(own) ? 'read' : undefined);
}

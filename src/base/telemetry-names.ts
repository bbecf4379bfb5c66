// Every name of a metric, a label and a span attribute. Those of OpenTelemetry's conventions where they have one, else `athanor.`.
import type { Instrument } from './observe.ts';

/** Labels of metrics and attributes of spans. */
export const attributes = {
  rpcSystem: 'rpc.system.name',
  rpcMethod: 'rpc.method',
  rpcStatus: 'rpc.response.status_code',
  httpMethod: 'http.request.method',
  httpRoute: 'http.route',
  httpStatus: 'http.response.status_code',
  urlScheme: 'url.scheme',
  errorType: 'error.type',
  peerAddress: 'network.peer.address',
  peerPort: 'network.peer.port',
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  tokenType: 'gen_ai.token.type',
  maxTokens: 'gen_ai.request.max_tokens',
  temperature: 'gen_ai.request.temperature',
  finishReasons: 'gen_ai.response.finish_reasons',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  cachedTokens: 'gen_ai.usage.cache_read.input_tokens',
  jobId: 'athanor.job.id',
  jobKind: 'athanor.job.kind',
  jobState: 'athanor.job.state',
  jobAttempt: 'athanor.job.attempt',
  jobPhase: 'athanor.job.phase',
  jobSteps: 'athanor.job.steps',
  model: 'athanor.model.name',
  sequenceState: 'athanor.sequence.state',
  stepKind: 'athanor.step.kind',
  computed: 'athanor.computed',
  device: 'athanor.device',
  /** Of a copy: `host_to_device` or `device_to_host`. */
  direction: 'athanor.device.direction',
} as const;

export const provider = 'athanor';

export const spanNames = {
  queue: 'athanor.queue',
  prefill: 'athanor.prefill',
  decode: 'athanor.decode',
  /** Followed by the job's kind. */
  job: 'athanor.job',
  /** Followed by the phase. */
  step: 'athanor.step',
} as const;

const instrument = (name: string, unit: string, description: string, buckets?: readonly number[]): Instrument => ({
  name,
  unit,
  description,
  ...(buckets === undefined ? {} : { buckets }),
});

/** Doubling bounds. */
const doubling = (first: number, count: number): number[] => Array.from({ length: count }, (_, index) => first * 2 ** index);

/** Seconds of a call: the convention's bounds, and more for streams, which last as long as a job does. */
const callSeconds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300, 1800, 7200, 28_800];
const firstTokenSeconds = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
/** The convention's bounds, and finer ones below, where small models are. */
const tokenSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];

export const metrics = {
  callDuration: instrument('rpc.server.call.duration', 's', 'Time of a call, a stream as long as it lives.', callSeconds),
  httpDuration: instrument('http.server.request.duration', 's', 'Time of an HTTP request, a stream as long as it lives.', callSeconds),
  requestDuration: instrument('gen_ai.server.request.duration', 's', 'Time that a request to a model takes.', doubling(0.01, 14)),
  firstToken: instrument('gen_ai.server.time_to_first_token', 's', 'Time from a request to its first token.', firstTokenSeconds),
  tokenTime: instrument('gen_ai.server.time_per_output_token', 's', 'Time between tokens after the first.', tokenSeconds),
  queueTime: instrument('athanor.queue.duration', 's', 'Time that a generation waits before its first tokens run.', firstTokenSeconds),
  tokens: instrument('athanor.tokens', '{token}', 'Tokens read and generated.'),
  cachedTokens: instrument('athanor.tokens.cached', '{token}', 'Tokens of prompts whose keys and values were there already.'),
  sequences: instrument('athanor.sequences', '{sequence}', 'Generations of a model, by where they are.'),
  batchSize: instrument('athanor.batch.size', '{sequence}', 'Sequences that run together in a step.', doubling(1, 9)),
  computedTokens: instrument('athanor.batch.tokens', '{token}', 'Places of tokens that steps computed: for tokens, or as padding.'),
  cacheMemory: instrument('athanor.cache.memory', 'By', 'Device memory of key-value caches.'),
  cacheUse: instrument('athanor.cache.utilization', '1', 'Share of the key-value cache that sequences hold.'),
  modelMemory: instrument(
    'athanor.model.memory',
    'By',
    'Memory of a loaded model: weights, what was made of them for the device, and cache.',
  ),
  deviceMemory: instrument('athanor.device.memory', 'By', 'Device memory of all buffers.'),
  deviceTransfer: instrument('athanor.device.transfer', 'By', 'Bytes copied between host and device, by direction.'),
  jobs: instrument('athanor.jobs', '{job}', 'Jobs that have not ended, by state.'),
  jobDuration: instrument('athanor.job.duration', 's', 'Time that an attempt at a job takes.', doubling(0.125, 20)),
  jobProgress: {
    ...instrument('athanor.job.progress', '1', 'How far the newest running job of a kind is in its phase.'),
    gone: Number.NaN,
  },
  jobLoss: { ...instrument('athanor.job.loss', '1', 'Newest training loss of a running job.'), gone: Number.NaN },
  eventLoopDelay: instrument(
    'nodejs.eventloop.delay.p99',
    's',
    'Delay of the event loop that 99 of 100 turns stay below, since the last reading.',
  ),
  eventLoopMean: instrument('nodejs.eventloop.delay.mean', 's', 'Mean delay of the event loop since the last reading.'),
  processMemory: instrument('process.memory.usage', 'By', 'Physical memory of the process.'),
} as const satisfies Readonly<Record<string, Instrument>>;

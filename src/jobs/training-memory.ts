// How much memory a distillation will need, worked out before its models are loaded, and what would fit where it does not.
import { graphType, type ModelConfig } from '#models';
import { type DType, dtypeBytes, sizeOf } from '#tensor';
import { type Fit, insufficientMemory } from './insufficient-memory.ts';
import { activationBytes, slackBytes } from './memory-plan.ts';
import type { ModelRecord } from './results.ts';

/** What is known of a model that need not be in memory. */
export interface ModelSize {
  readonly reference: string;
  readonly config: ModelConfig;
  /** On the host; 0 where it is there already. */
  readonly hostBytes: number;
  /** Weights on the device, floats widened to 32 bits. */
  readonly deviceBytes: number;
}

export interface TrainingMemoryRequest {
  readonly student: ModelSize;
  /** Beside the student in this process; absent where it is elsewhere, recorded, or none. */
  readonly teacher?: ModelSize | undefined;
  /** Behind the first of several teachers. */
  readonly further?: readonly ModelSize[];
  /** The losses compare attention, so that teachers keep that of all layers. */
  readonly comparesAttention?: boolean;
  /** Tokens of the texts that the student draws itself, with keys and values of all it has drawn; 0 where it draws none. */
  readonly sampleTokens?: number;
  /** The teacher draws too, with keys and values of its own. */
  readonly teacherDraws?: boolean;
  /** Texts that the teacher writes side by side, in a search one a beam; 0 where it writes none. */
  readonly writtenRows?: number;
  readonly batchSize: number;
  readonly sequenceLength: number;
  /** Bytes of a row of answers that come from elsewhere. */
  readonly answerBytesPerRow?: number;
  readonly limitBytes: number;
  /** What the process holds already. */
  readonly residentBytes: number;
}

export interface TrainingMemoryPlan {
  /** Of the whole process at its largest. */
  readonly estimatedPeakBytes: number;
  readonly limitBytes: number;
}

/** A float's share of bytes when it is kept in 8 bits with its scales. */
const eightBitShare = 0.28;

export function modelSize(record: ModelRecord): ModelSize {
  const tensors = record.parameters.filter(({ storedBytes }) => storedBytes > 0).flatMap((parameter) => parameter.tensors);
  const deviceBytes = tensors.reduce((sum, { dtype, shape }) => sum + sizeOf(shape) * dtypeBytes[graphType(dtype as DType)], 0);
  return {
    reference: `${record.name}@${record.version}`,
    config: JSON.parse(record.configJson) as ModelConfig,
    hostBytes: record.loaded ? 0 : record.storedBytes,
    deviceBytes,
  };
}

/**
 * Student, gradients and two moments on the device, a checkpoint's copy of what trains, activations of a backward pass; the teacher's weights and
 * the activations of its forward pass; what losses and samples add. An estimate, not a bound.
 */
function estimate(request: TrainingMemoryRequest): number {
  const { student, teacher, further = [], batchSize, sequenceLength, answerBytesPerRow = 0, residentBytes } = request;
  const { comparesAttention = false, sampleTokens = 0 } = request;
  const length = (config: ModelConfig): number => Math.min(Math.max(sequenceLength, sampleTokens), config.maxPositions);
  const own = student.hostBytes + (4 + 3) * student.deviceBytes + activationBytes(student.config, batchSize, length(student.config), true);
  // Rows wait for the next step beside those of this one, on the host and on the device.
  const answers = 4 * answerBytesPerRow * batchSize * sequenceLength;
  const attention = ({ layers, heads }: ModelConfig, tokens: number): number =>
    comparesAttention ? 4 * 2 * layers * batchSize * heads * tokens ** 2 : 0;
  const taught = (teacher === undefined ? [] : [teacher, ...further]).reduce(
    (sum, { config, hostBytes, deviceBytes }) =>
      sum + hostBytes + deviceBytes + activationBytes(config, batchSize, length(config), false) + attention(config, length(config)),
    0,
  );
  return Math.ceil(residentBytes + slackBytes + own + answers + taught + drawnBytes(request));
}

type DrawingRequest = Pick<
  TrainingMemoryRequest,
  'student' | 'teacher' | 'sampleTokens' | 'teacherDraws' | 'writtenRows' | 'batchSize' | 'sequenceLength'
>;

/** What the texts take that the student draws or its teacher writes: programs of their own, keys and values. */
export function drawnBytes(request: DrawingRequest): number {
  const { student, teacher, batchSize, sequenceLength, sampleTokens = 0, writtenRows = 0 } = request;
  const length = (config: ModelConfig): number => Math.min(Math.max(sequenceLength, sampleTokens), config.maxPositions);
  const cache = (config: ModelConfig): number => 4 * 2 * config.layers * batchSize * sampleTokens * config.width;
  const drawn = sampleTokens > 0 ? student.deviceBytes + cache(student.config) : 0;
  const mixed = request.teacherDraws === true && teacher !== undefined ? cache(teacher.config) : 0;
  // Keys and values once more where rows go on from each other's.
  const written =
    teacher === undefined ? 0 : 2 * 4 * 2 * teacher.config.layers * writtenRows * length(teacher.config) * teacher.config.width;
  return drawn + mixed + written;
}

/** @throws AppError `insufficient_memory` with the figures, and what would fit */
export function planTraining(request: TrainingMemoryRequest): TrainingMemoryPlan {
  const { limitBytes, residentBytes, teacher, student } = request;
  const estimatedPeakBytes = estimate(request);
  if (estimatedPeakBytes <= limitBytes) return { estimatedPeakBytes, limitBytes };
  const ofTeacher = teacher === undefined ? {} : { [`the teacher "${teacher.reference}"`]: teacher.hostBytes + teacher.deviceBytes };
  throw insufficientMemory({
    place: 'distill',
    neededBytes: estimatedPeakBytes,
    residentBytes,
    limitBytes,
    parts: {
      [`the student "${student.reference}" with gradients and moments`]: student.hostBytes + (4 + 3) * student.deviceBytes,
      ...ofTeacher,
    },
    fits: fitting(request),
    details: { teacherBytes: teacher === undefined ? 0 : teacher.deviceBytes },
  });
}

function fitting(request: TrainingMemoryRequest): readonly Fit[] {
  const { limitBytes, teacher, batchSize } = request;
  const found: Fit[] = [];
  const consider = (what: string, changed: TrainingMemoryRequest): boolean => {
    const bytes = estimate(changed);
    if (bytes <= limitBytes) found.push({ what, bytes });
    return bytes <= limitBytes;
  };
  const fewer = (what: string, base: TrainingMemoryRequest): boolean => {
    for (let smaller = Math.floor(batchSize / 2); smaller >= 1; smaller = Math.floor(smaller / 2))
      if (consider(`${what}batchSize ${smaller} with more gradientAccumulation`, { ...base, batchSize: smaller })) return true;
    return false;
  };
  fewer('', request);
  if (teacher === undefined) return found;
  consider(quantizedTeacher, {
    ...request,
    teacher: { ...teacher, hostBytes: eightBitShare * teacher.hostBytes, deviceBytes: eightBitShare * teacher.deviceBytes },
  });
  const away = { ...request, teacher: undefined };
  if (!consider(teacherElsewhere, away)) fewer(`${teacherElsewhere}, and `, away);
  return found;
}

const quantizedTeacher = 'a teacher quantized to 8 bits';
const teacherElsewhere =
  'a recorded teacher (record its likeliest answers where it fits, then give "recording") or one on another server ("athanor://host:port/model")';

/** What a training would be spared by another teacher than a model beside it. */
export function teacherSavings({
  hostBytes,
  deviceBytes,
}: Pick<ModelSize, 'hostBytes' | 'deviceBytes'>): readonly { readonly what: string; readonly bytes: number }[] {
  const whole = hostBytes + deviceBytes;
  return [
    { what: quantizedTeacher, bytes: (1 - eightBitShare) * whole },
    { what: teacherElsewhere, bytes: whole },
  ];
}

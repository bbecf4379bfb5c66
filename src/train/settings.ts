// Settings of a training run, with their defaults and checks.
import { AppError } from '#base';
import { type AdamWSettings, adamW, type Optimizer, type Schedule, type ScheduleKind, type SgdSettings, sgd } from '#graph';
import { fitTogether, type Precision, precisions } from './precision.ts';
import { type Products, productKinds } from './products.ts';

export type OptimizerSettings = ({ readonly kind: 'adamW' } & AdamWSettings) | ({ readonly kind: 'sgd' } & SgdSettings);

export interface TrainSettings {
  /** Optimizer steps. */
  readonly steps: number;
  /** Sequences of one micro-batch. */
  readonly batchSize: number;
  /** Tokens of one sequence. */
  readonly sequenceLength: number;
  /** Tokens of one source, for an encoder-decoder, whose targets have `sequenceLength`; that of the targets when absent. */
  readonly sourceLength?: number;
  /** Micro-batches whose gradients make one step. */
  readonly gradientAccumulation: number;
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly schedule: ScheduleKind;
  /** Share of the learning rate that is left at the end. */
  readonly finalShare: number;
  readonly optimizer: OptimizerSettings;
  /** Largest global gradient norm; 0 for no clipping. */
  readonly clipNorm: number;
  /** What matrix products are computed in. */
  readonly precision: Precision;
  readonly seed: number;
  /** Steps between checkpoints; 0 for none. */
  readonly checkpointEvery: number;
  /** Absent: floats. */
  readonly products?: Exclude<Products, 'float32'>;
  /** The backward pass computes the insides of blocks again instead of keeping them: less memory, more time, the same gradients. @default false */
  readonly recompute?: boolean;
  /**
   * `auto`: where the training does not fit the memory there is, whoever starts it takes micro-batches and computes activations again as far as needed.
   * The trainer itself takes the other settings as they are. @default 'given'
   */
  readonly memory?: 'given' | 'auto';
}

export const defaultTrainSettings: TrainSettings = {
  steps: 300,
  batchSize: 8,
  sequenceLength: 128,
  gradientAccumulation: 1,
  learningRate: 1e-3,
  warmupSteps: 10,
  schedule: 'cosine',
  finalShare: 0.1,
  optimizer: { kind: 'adamW', beta1: 0.9, beta2: 0.95, weightDecay: 0.01 },
  clipNorm: 1,
  precision: 'auto',
  seed: 0,
  checkpointEvery: 100,
};

/** Fills in defaults and checks ranges. @throws AppError `invalid_argument` naming the setting */
export function trainSettings({
  products,
  ...given
}: Partial<Omit<TrainSettings, 'products'>> & { readonly products?: Products }): TrainSettings {
  // What is the default has no field: unfinished work of earlier versions has none either.
  const settings: TrainSettings = {
    ...defaultTrainSettings,
    ...given,
    ...(products !== undefined && products !== 'float32' && { products }),
  };
  const require = (holds: boolean, name: keyof TrainSettings, rule: string): void => {
    if (!holds)
      throw new AppError('invalid_argument', `${name}: must be ${rule}, got ${String(settings[name])}.`, { details: { field: name } });
  };
  for (const name of ['steps', 'batchSize', 'sequenceLength', 'gradientAccumulation'] as const)
    require(Number.isInteger(settings[name]) && settings[name] >= 1, name, 'a whole number of at least 1');
  if (settings.sourceLength !== undefined)
    require(Number.isInteger(settings.sourceLength) && settings.sourceLength >= 1, 'sourceLength', 'a whole number of at least 1');
  for (const name of ['warmupSteps', 'checkpointEvery', 'seed'] as const)
    require(Number.isInteger(settings[name]) && settings[name] >= 0, name, 'a whole number of at least 0');
  require(Number.isFinite(settings.learningRate) && settings.learningRate > 0, 'learningRate', 'above 0');
  require(settings.finalShare >= 0 && settings.finalShare <= 1, 'finalShare', 'between 0 and 1');
  require(settings.clipNorm >= 0, 'clipNorm', 'at least 0');
  require(scheduleKinds.includes(settings.schedule), 'schedule', `one of ${scheduleKinds.join(', ')}`);
  require(precisions.includes(settings.precision), 'precision', `one of ${precisions.join(', ')}`);
  require(settings.products === undefined || productKinds.includes(settings.products), 'products', `one of ${productKinds.join(', ')}`);
  require(fitTogether(settings), 'precision', `auto or float32 beside products ${settings.products}`);
  checkOptimizer(settings.optimizer);
  return settings;
}

const scheduleKinds: readonly ScheduleKind[] = ['constant', 'linear', 'cosine', 'inverseSquareRoot'];

function checkOptimizer(optimizer: OptimizerSettings): void {
  const require = (value: number | undefined, name: string, holds: (value: number) => boolean, rule: string): void => {
    if (value !== undefined && !(Number.isFinite(value) && holds(value)))
      throw new AppError('invalid_argument', `optimizer.${name}: must be ${rule}, got ${value}.`, {
        details: { field: `optimizer.${name}` },
      });
  };
  const isShare = (value: number): boolean => value >= 0 && value < 1;
  require(optimizer.weightDecay, 'weightDecay', (value) => value >= 0, 'at least 0');
  if (optimizer.kind === 'adamW') {
    require(optimizer.beta1, 'beta1', isShare, 'at least 0 and below 1');
    require(optimizer.beta2, 'beta2', isShare, 'at least 0 and below 1');
    require(optimizer.epsilon, 'epsilon', (value) => value > 0, 'above 0');
  } else require(optimizer.momentum, 'momentum', isShare, 'at least 0 and below 1');
}

export function makeOptimizer(settings: OptimizerSettings): Optimizer {
  return settings.kind === 'adamW' ? adamW(settings) : sgd(settings);
}

export function makeSchedule({ schedule, learningRate, warmupSteps, steps, finalShare }: TrainSettings): Schedule {
  return { kind: schedule, peak: learningRate, warmupSteps: Math.min(warmupSteps, steps), totalSteps: steps, finalShare };
}

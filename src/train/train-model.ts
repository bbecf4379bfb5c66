// The training loop: batches from a corpus or a source, steps on a device, progress, checkpoints, resume.
import { AppError, deviceFailures, faultPoint, invariant, type OperationContext } from '#base';
import type { Engine } from '#engine';
import type { Model } from '#models';
import type { HostTensor } from '#tensor';
import type { SamplerCursor } from '#text';
import type { BatchSource, TrainingBatch } from './batch-source.ts';
import type { Checkpoint, CheckpointKeeper, TrainingProgress } from './checkpoint.ts';
import { EarlyStopping, type EarlyStoppingOptions } from './early-stopping.ts';
import type { Objective } from './objective.ts';
import type { TrainingScheme } from './scheme.ts';
import type { TrainSettings } from './settings.ts';
import type { TrainingStage, TrainingStages } from './stages.ts';
import { Trainer } from './trainer.ts';
import { openBatches, type TrainingData } from './training-data.ts';

export interface BatchTrainRequest {
  readonly model: Model;
  readonly objective: Objective;
  /** Opens the source of batches, at a cursor that an earlier one had. */
  readonly batches: (cursor: SamplerCursor | undefined) => BatchSource;
  readonly settings: TrainSettings;
  /** Which parameters train; all when absent. */
  readonly trains?: (path: string) => boolean;
  /** What the method changes about training. */
  readonly scheme?: TrainingScheme | undefined;
  /** Ends the training when held-out data says so; the result is then what did best on it. Of trainings in stages the last one is measured alone. */
  readonly stopping?: EarlyStoppingOptions | undefined;
  /** Where model and scheme change on the way: what trains in place of `model` and `scheme`. */
  readonly stages?: TrainingStages;
  /** Where checkpoints go and come from; absent to train without. */
  readonly checkpoints?: CheckpointKeeper;
  /** Shown in progress events; the objective's name when absent. */
  readonly phase?: string;
  /** Called after each step, for example to measure; training waits for it. `model` copies the weights to the host. */
  readonly afterStep?: (step: number, model: () => Model) => Promise<void>;
}

export interface TrainRequest extends Omit<BatchTrainRequest, 'batches'> {
  readonly corpus: TrainingData;
  /** How texts are padded; `buckets` when absent. */
  readonly lengths?: 'buckets' | 'fixed';
}

export interface TrainResult {
  readonly model: Model;
  /** Tensors of the schemes, by name. */
  readonly schemeTensors: ReadonlyMap<string, HostTensor<'float32'>>;
  /** Steps that were done: fewer than were asked for where held-out data ended the training. */
  readonly steps: number;
  /** The measurement on held-out data whose weights the model has, where there were any. */
  readonly best?: { readonly step: number; readonly loss: number };
  /** Mean loss over the last tenth of the steps, at most 50. */
  readonly finalLoss: number;
  /** Places of the batches, padding included; of pairs those of the targets. */
  readonly tokensSeen: number;
  /** Since the last start, with the compiling of graphs. */
  readonly seconds: number;
  /** Largest number of bytes in device buffers. */
  readonly peakBufferBytes: number;
}

/** Ends of a run that are not the run's fault: its state is saved before they are passed on. */
const keptAfter: ReadonlySet<string> = new Set(['cancelled', 'teacher_unavailable', ...deviceFailures]);

/** Weight of the newest loss in the mean that is shown. */
const shownLossShare = 0.05;

/**
 * Trains on windows of a corpus, with the token after each as its label, on pairs, or on texts.
 *
 * @throws AppError `unsupported` when the data is not of the model's kind | `bad_data` | `context_too_long` | `diverged` | `cancelled` | `empty_data` |
 * `resume_mismatch`
 */
export function trainModel(request: TrainRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const { corpus, lengths, ...rest } = request;
  const batches: BatchTrainRequest['batches'] = (cursor) => openBatches(request.model, corpus, request.settings, cursor, lengths);
  return trainOnBatches({ ...rest, batches }, engine, context);
}

/**
 * Trains until `settings.steps`, going on from the newest checkpoint if there is one. The result is the same bit for bit, with or without interruptions.
 *
 * When it is cancelled, or loses the device, its memory or a teacher on another server, it saves a checkpoint first where it can. When it diverges the last checkpoint stays.
 *
 * @throws AppError `diverged` | `cancelled` | `resume_mismatch`, and what opening the source throws
 */
export async function trainOnBatches(request: BatchTrainRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const { model, scheme, settings, stages } = request;
  const stopping = request.stopping && new EarlyStopping(request.stopping);
  const started = performance.now();
  let reached = await request.checkpoints?.load();
  const sampler = request.batches(reached?.progress.cursor);
  let held: { readonly trainer: Trainer; readonly stage: TrainingStage } | undefined;
  try {
    for (;;) {
      const stage: TrainingStage = (await stages?.(reached, settings)) ?? { model, scheme, from: reached, until: settings.steps };
      const step = stage.from?.progress.step ?? 0;
      invariant(stage.until > step || step >= settings.steps, `a stage of training that begins at step ${step} ends after it`);
      if (held === undefined || held.stage.model !== stage.model || held.stage.scheme !== stage.scheme) {
        invariant(held === undefined || !stopping?.state.best, 'what did best has the shape of the last stage');
        await held?.trainer.dispose();
        held = undefined;
        const options = { trains: request.trains, scheme: stage.scheme };
        held = { trainer: await Trainer.create(engine, stage.model, request.objective, settings, options), stage };
        if (stage.from !== undefined) {
          const { progress, tensors } = stage.from;
          const trained =
            stopping !== undefined && progress.stopping !== undefined ? stopping.restore(progress.stopping, tensors) : tensors;
          held.trainer.restore(step, trained, progress.scheme);
        }
      }
      const outcome = await trainStage(request, stage, { trainer: held.trainer, sampler, stopping, engine, context });
      if ('model' in outcome) return { ...outcome, seconds: (performance.now() - started) / 1000 };
      reached = outcome;
    }
  } finally {
    await held?.trainer.dispose();
  }
}

interface StageParts {
  /** Stands where the stage begins. */
  readonly trainer: Trainer;
  readonly sampler: BatchSource;
  readonly stopping: EarlyStopping | undefined;
  readonly engine: Engine;
  readonly context: OperationContext;
}

/** The result, or where training stands when the stage ends before it. */
async function trainStage(
  request: BatchTrainRequest,
  { from: saved, until }: TrainingStage,
  { trainer, sampler, stopping, engine, context }: StageParts,
): Promise<Omit<TrainResult, 'seconds'> | Checkpoint> {
  const { objective, settings, checkpoints, phase = objective.name } = request;
  let shownLoss = saved?.progress.shownLoss ?? null;
  const tail = [...(saved?.progress.recentLosses ?? [])];
  const tailLength = Math.min(50, Math.max(1, Math.floor(settings.steps / 10)));
  const fullStep = settings.batchSize * settings.sequenceLength * settings.gradientAccumulation;
  let tokensSeen = saved?.progress.tokensSeen ?? trainer.step * fullStep;
  const standing = (cursor: SamplerCursor): Checkpoint => {
    const scheme = trainer.schemeState();
    const shown = { step: trainer.step, cursor, shownLoss, recentLosses: [...tail], tokensSeen };
    const progress: TrainingProgress = {
      ...shown,
      ...(scheme === undefined ? {} : { scheme }),
      ...(stopping && { stopping: stopping.state }),
    };
    return { progress, tensors: new Map([...trainer.snapshot(), ...(stopping?.saved() ?? [])]) };
  };
  let savedStep = saved?.progress.step ?? 0;
  const save = async (cursor: SamplerCursor): Promise<void> => {
    await checkpoints?.save(standing(cursor));
    savedStep = checkpoints === undefined ? 0 : trainer.step;
  };
  /** Whether the stage ends here. A measurement belongs to the step before it, whether or not a checkpoint came between. */
  const isOver = async (): Promise<boolean> => {
    if (stopping?.isDue(trainer.step, settings.steps) === true) {
      const { batches, objective: measured } = stopping.options;
      const metrics = await trainer.evaluate(batches(), context.signal, measured);
      stopping.measured(trainer.step, metrics['loss'] ?? Number.NaN, () => trainer.trainedTensors());
      context.report({ phase, step: trainer.step, total: settings.steps, item: 'validation', metrics });
    }
    return trainer.step >= until || stopping?.isOver === true;
  };

  for (;;) {
    const cursor = sampler.cursor; // before the batches are drawn: a step that is cut off draws them again
    const stepStarted = performance.now();
    try {
      if (await isOver()) break;
      if (context.signal.aborted) throw new AppError('cancelled', `${phase}: cancelled after step ${trainer.step} of ${settings.steps}.`);
      await faultPoint('train step');
      const batches = await drawBatches(sampler, trainer, settings, context.signal);
      const report = await trainer.run(batches, context.signal);
      const stepTokens = batches.reduce((sum, batch) => sum + ('source' in batch ? batch.labels : batch.tokens).data.length, 0);
      tokensSeen += stepTokens;
      // A step that was skipped may have no loss.
      const { loss } = report.metrics;
      if (loss !== undefined) {
        shownLoss = shownLoss === null ? loss : shownLoss + shownLossShare * (loss - shownLoss);
        tail.push(loss);
        if (tail.length > tailLength) tail.shift();
      }
      context.report({
        phase,
        step: report.step,
        total: settings.steps,
        metrics: {
          ...report.metrics,
          ...(shownLoss === null ? {} : { meanLoss: shownLoss }),
          learningRate: report.learningRate,
          ...(report.isSkipped ? {} : { gradientNorm: report.gradientNorm }),
          tokensPerSecond: stepTokens / ((performance.now() - stepStarted) / 1000),
          deviceBytes: engine.counters().bufferBytes,
        },
      });
    } catch (error) {
      const known = AppError.from(error);
      if (keptAfter.has(known.code)) await saveAfter(known, () => save(cursor), trainer);
      throw known.code === 'diverged' && savedStep > 0 ? withCheckpoint(known, savedStep) : error;
    }
    await request.afterStep?.(trainer.step, () => trainer.model());
    if (settings.checkpointEvery > 0 && trainer.step % settings.checkpointEvery === 0 && trainer.step < settings.steps)
      await save(sampler.cursor);
  }
  if (trainer.step < settings.steps && stopping?.isOver !== true) return standing(sampler.cursor);
  const best = stopping?.state.best ?? undefined;
  if (stopping !== undefined) trainer.setTrainedTensors(stopping.bestTensors);
  return {
    ...(best && { best }),
    model: trainer.model(),
    schemeTensors: trainer.schemeTensors(),
    steps: trainer.step,
    finalLoss: tail.reduce((sum, loss) => sum + loss, 0) / Math.max(1, tail.length),
    tokensSeen,
    peakBufferBytes: engine.counters().peakBufferBytes,
  };
}

/** A device that failed may still be read, but in the middle of an update it holds no step; where nothing can be saved, the last checkpoint stays. */
async function saveAfter({ code }: AppError, save: () => Promise<void>, { isWhole }: Trainer): Promise<void> {
  if (!deviceFailures.has(code)) return save();
  // What ended the run is what is told.
  if (isWhole) await save().catch(() => {});
}

/** Says which checkpoint stays. */
function withCheckpoint(error: AppError, checkpointStep: number): AppError {
  const message = `${error.message.slice(`[${error.code}] `.length)} The checkpoint of step ${checkpointStep} was kept.`;
  return new AppError(error.code, message, { details: { ...error.details, checkpointStep }, cause: error });
}

/** The micro-batches of the next step. */
async function drawBatches(
  source: BatchSource,
  trainer: Trainer,
  { steps, gradientAccumulation }: TrainSettings,
  signal: AbortSignal,
): Promise<TrainingBatch[]> {
  const step = trainer.step + 1;
  const batches: TrainingBatch[] = [];
  for (let microBatch = 0; microBatch < gradientAccumulation; microBatch++) {
    const isLast = step === steps && microBatch === gradientAccumulation - 1;
    batches.push(await source.next({ step, microBatch, isLast, parameters: trainer.parameters, signal }));
  }
  return batches;
}

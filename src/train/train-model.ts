// The training loop: batches from a corpus or a source, steps on a device, progress, checkpoints, resume.
import { AppError, type OperationContext } from '#base';
import type { Engine } from '#engine';
import type { Model } from '#models';
import type { HostTensor } from '#tensor';
import type { SamplerCursor } from '#text';
import type { BatchSource } from './batch-source.ts';
import type { CheckpointKeeper, TrainingProgress } from './checkpoint.ts';
import type { Objective } from './objective.ts';
import type { TrainingScheme } from './scheme.ts';
import type { TrainSettings } from './settings.ts';
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
  readonly steps: number;
  /** Mean loss over the last tenth of the steps, at most 50. */
  readonly finalLoss: number;
  /** Places of the batches, padding included; of pairs those of the targets. */
  readonly tokensSeen: number;
  /** Seconds spent in steps since the last start. */
  readonly seconds: number;
  /** Largest number of bytes in device buffers. */
  readonly peakBufferBytes: number;
}

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
 * When it is cancelled it saves a checkpoint first. When it diverges the last checkpoint stays.
 *
 * @throws AppError `diverged` | `cancelled` | `resume_mismatch`, and what opening the source throws
 */
export async function trainOnBatches(request: BatchTrainRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const { model, objective, settings, checkpoints, phase = objective.name } = request;
  const saved = await checkpoints?.load();
  const sampler = request.batches(saved?.progress.cursor);
  const trainer = await Trainer.create(engine, model, objective, settings, { trains: request.trains, scheme: request.scheme });
  try {
    if (saved !== undefined) trainer.restore(saved.progress.step, saved.tensors, saved.progress.scheme);
    let shownLoss = saved?.progress.shownLoss ?? null;
    const tail = [...(saved?.progress.recentLosses ?? [])];
    const tailLength = Math.min(50, Math.max(1, Math.floor(settings.steps / 10)));
    const fullStep = settings.batchSize * settings.sequenceLength * settings.gradientAccumulation;
    let tokensSeen = saved?.progress.tokensSeen ?? trainer.step * fullStep;
    const save = async (cursor: SamplerCursor): Promise<void> => {
      const scheme = trainer.schemeState();
      const shown = { step: trainer.step, cursor, shownLoss, recentLosses: [...tail], tokensSeen };
      const progress: TrainingProgress = scheme === undefined ? shown : { ...shown, scheme };
      await checkpoints?.save({ progress, tensors: trainer.snapshot() });
    };

    const started = performance.now();
    while (trainer.step < settings.steps) {
      const cursor = sampler.cursor; // before the batches are drawn: a step that is cut off draws them again
      const stepStarted = performance.now();
      try {
        if (context.signal.aborted) throw new AppError('cancelled', `${phase}: cancelled after step ${trainer.step} of ${settings.steps}.`);
        const batches = Array.from({ length: settings.gradientAccumulation }, () => sampler.next());
        const report = await trainer.run(batches, context.signal);
        const stepTokens = batches.reduce((sum, batch) => sum + ('source' in batch ? batch.labels : batch.tokens).data.length, 0);
        tokensSeen += stepTokens;
        const loss = report.metrics['loss'] ?? Number.NaN;
        shownLoss = shownLoss === null ? loss : shownLoss + shownLossShare * (loss - shownLoss);
        tail.push(loss);
        if (tail.length > tailLength) tail.shift();
        context.report({
          phase,
          step: report.step,
          total: settings.steps,
          metrics: {
            ...report.metrics,
            meanLoss: shownLoss,
            learningRate: report.learningRate,
            gradientNorm: report.gradientNorm,
            tokensPerSecond: stepTokens / ((performance.now() - stepStarted) / 1000),
            deviceBytes: engine.counters().bufferBytes,
          },
        });
      } catch (error) {
        if (AppError.from(error).code === 'cancelled') await save(cursor);
        throw error;
      }
      await request.afterStep?.(trainer.step, () => trainer.model());
      if (settings.checkpointEvery > 0 && trainer.step % settings.checkpointEvery === 0 && trainer.step < settings.steps)
        await save(sampler.cursor);
    }
    return {
      model: trainer.model(),
      schemeTensors: trainer.schemeTensors(),
      steps: trainer.step,
      finalLoss: tail.reduce((sum, loss) => sum + loss, 0) / Math.max(1, tail.length),
      tokensSeen,
      seconds: (performance.now() - started) / 1000,
      peakBufferBytes: engine.counters().peakBufferBytes,
    };
  } finally {
    await trainer.dispose();
  }
}

// Ladder side-tuning: a small network beside a frozen model learns a new task without a gradient ever going through the model.
import { createHash } from 'node:crypto';
import { AppError, type OperationContext } from '#base';
import { type Ladder, ladderPrefix, type Model, type Parameter, parameterCounts } from '#models';
import { teachersNamed } from '#teaching';
import type { ActivationStore } from '../activation-store.ts';
import { LayerRun } from '../layer-run.ts';
import type { CompressionEnvironment, Method, MethodTrainRequest, TrainingMaterial } from '../method.ts';
import { headPaths, trainingOf, withDefaults } from '../parameter-efficient/adaptation.ts';
import { type TrainedStep, trainedStep, trainOrRecall } from '../train-or-recall.ts';
import { prunedSide, randomSide, withLadder } from './first-weights.ts';
import { type AnswerType, FrozenAnswers } from './frozen-answers.ts';
import { type LadderSettings, ladderSettings } from './settings.ts';
import { ladderOf } from './side-sizes.ts';

const name = 'ladder';
/** @see Sung et al., NeurIPS 2022, §4.2 */
const defaultLearningRate = 3e-3;

/**
 * The result is one model: the frozen one and its side network in one graph.
 *
 * @see README.md beside this file; Sung, Cho and Bansal, "LST: Ladder Side-Tuning for Parameter and Memory Efficient Transfer Learning", NeurIPS
 * 2022. We differ: no dropout, heads of their full width, and pruned copies read the channels that they were made of.
 */
export const ladder: Method<LadderSettings> = {
  name,
  adapts: true,
  settings: ladderSettings,
  needsCalibration: ({ initial }) => initial === 'pruned',
  training: ({ training }) => training,
  models: ({ training }) => teachersNamed(training),
  async apply(model, settings, environment, context) {
    const { reduction, layers, mixOutput, trainHead, seed = environment.seed } = settings;
    const added = ladderOf(model, { reduction, layers, mixesOutput: mixOutput });
    const start = withLadder(model, added, await firstWeights(model, added, settings, environment, context));
    const head = headPaths(model, trainHead);
    const trains = (path: string): boolean => path.startsWith(ladderPrefix) || head.has(path);
    const { model: trained, note } = await trainOrRecall(environment, name, start, async () => {
      const training = withDefaults(settings.training, defaultLearningRate, seed);
      const request: MethodTrainRequest = { model: start, settings: training, place: `${name}.training`, trains };
      return await train(request, settings, environment, context);
    });
    const [bytesBefore, bytesAfter] = [parameterCounts(model).storedBytes, parameterCounts(trained).storedBytes];
    const side = `side network of width ${added.width} beside layers ${added.layers.join(', ')}`;
    return { model: trained, report: { method: name, layers: [], note: `${side}: ${note}`, bytesBefore, bytesAfter } };
  },
};

async function firstWeights(
  model: Model,
  added: Ladder,
  settings: LadderSettings,
  environment: CompressionEnvironment,
  context: OperationContext,
): Promise<readonly Parameter[]> {
  if (settings.initial === 'random') return randomSide(model, added, settings.seed ?? environment.seed ?? 0);
  // A pass over the text: a recipe that goes on does not take it again.
  const run = new LayerRun(name, 1, environment, context);
  const known = await run.recallPart('first weights');
  if (known !== undefined) return known.parameters;
  const parameters = await prunedSide(model, added, environment.calibration, context);
  const layer = { path: ladderPrefix, kindBefore: '', kindAfter: '', bytesBefore: 0, bytesAfter: 0, weightError: 0 };
  await run.keepPart('first weights', { layer, parameters });
  return parameters;
}

async function train(
  request: MethodTrainRequest,
  settings: LadderSettings,
  environment: CompressionEnvironment,
  context: OperationContext,
): Promise<TrainedStep> {
  const training = trainingOf(environment, name);
  const trains = request.trains ?? (() => true);
  const type = await cacheType(settings, training, request);
  const store = type === 'none' ? undefined : await openStore(training, request.model, type, settings);
  if (type === 'none' || store === undefined) return trainedStep(await training.train(request, context), trains);
  const answers = new FrozenAnswers(environment.engine, request.model, store, type);
  try {
    const result = trainedStep(await training.train({ ...request, scheme: answers }, context), trains);
    const { computed, recalled, isFull } = answers.counts;
    const room = isFull ? `; the cache of ${settings.cacheBytes} bytes was full` : '';
    return { ...result, note: `${result.note}; the frozen model ran for ${computed} of ${computed + recalled} examples${room}` };
  } finally {
    await answers.release();
    await store.close();
  }
}

/** Keeping pays from the second epoch on. */
async function cacheType({ cache }: LadderSettings, training: TrainingMaterial, request: MethodTrainRequest): Promise<AnswerType | 'none'> {
  if (cache !== 'auto') {
    if (cache !== 'none' && 'lines' in training.corpus)
      throw new AppError(
        'unsupported',
        `ladder.cache: other tokens are hidden in every epoch, so that what the model answers never comes again. Set it to "none".`,
        { details: { field: 'ladder.cache' } },
      );
    return cache;
  }
  const { corpus } = training;
  if ('lines' in corpus || 'pairs' in corpus) return 'none';
  const { steps, batchSize, gradientAccumulation, sequenceLength } = await training.settings(request);
  const examples = 'texts' in corpus ? corpus.texts.length : Math.floor((corpus.tokens.length - 1) / sequenceLength);
  return steps * batchSize * gradientAccumulation > examples ? 'float32' : 'none';
}

function openStore(
  training: TrainingMaterial,
  { config }: Model,
  type: AnswerType,
  { cacheBytes }: LadderSettings,
): Promise<ActivationStore> | undefined {
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([type, config]))
    .digest('hex');
  return training.activations?.({ fingerprint, limitBytes: cacheBytes });
}

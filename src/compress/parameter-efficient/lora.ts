// Parameter-efficient adaptation: low-rank updates, adapters, prompts and biases train while the model's matrices stay as they are.
import { AppError, type OperationContext } from '#base';
import { isOfAdapter, type Model, parameterCounts, promptPath } from '#models';
import { teachersNamed } from '#teaching';
import type { TrainingScheme } from '#train';
import type { CompressionEnvironment, Method } from '../method.ts';
import { type TrainedStep, trainedStep, trainOrRecall } from '../train-or-recall.ts';
import { headPaths, trainingOf, withDefaults } from './adaptation.ts';
import { withAdapters, withPrompt } from './added-modules.ts';
import { lowRankUpdates, merged, updatedMatrices } from './low-rank-update.ts';
import { type LoraSettings, loraSettings } from './settings.ts';

const name = 'lora';

/** What one of the methods trains. */
interface Adaptation {
  /** What training begins with. */
  readonly start: Model;
  /** Of the paths of `start`, beside the head of a classifier. */
  readonly trains: (path: string) => boolean;
  readonly scheme?: TrainingScheme;
  /** What the training left; the parameters that trained when absent. */
  readonly finish?: (schemeTensors: Parameters<typeof merged>[3]) => TrainedStep['parameters'];
  readonly note: string;
}

/** Small and few parameters take larger steps than all of them. */
const learningRates: Readonly<Record<LoraSettings['method'], number>> = { lora: 1e-3, adapter: 1e-3, prompt: 1e-2, bitfit: 1e-3 };

const adaptations: { readonly [M in LoraSettings['method']]: (model: Model, settings: LoraSettings, seed: number) => Adaptation } = {
  lora(model, { rank = 8, alpha = 2 * rank, include, exclude }, seed) {
    const settings = { rank, alpha, include, exclude };
    const matrices = updatedMatrices(model, settings);
    return {
      start: model,
      trains: () => false,
      scheme: lowRankUpdates(model, matrices, settings, seed),
      finish: (factors) => merged(model, matrices, settings, factors),
      note: `rank ${rank} beside ${matrices.length} matrices`,
    };
  },
  adapter: (model, { width = 16 }, seed) => ({
    start: withAdapters(model, width, seed),
    trains: isOfAdapter,
    note: `adapters of width ${width}`,
  }),
  prompt: (model, { length = 20 }, seed) => ({
    start: withPrompt(model, length, seed),
    trains: (path) => path === promptPath,
    note: `a prompt of ${length} rows`,
  }),
  bitfit(model) {
    const biases = new Set([...model.parameters.keys()].filter((path) => path.endsWith('.bias')));
    if (biases.size === 0)
      throw new AppError(
        'unsupported',
        `lora: method "bitfit" trains biases, and this ${model.config.architecture} model has none. Use method "lora" or "adapter".`,
        { details: { field: 'lora.method' } },
      );
    return { start: model, trains: (path) => biases.has(path), note: `${biases.size} biases` };
  },
};

/**
 * Low-rank updates are added to the matrices when they have trained; adapters and prompts stay in the model beside them.
 *
 * @see README.md beside this file; Hu et al., "LoRA", ICLR 2022; Houlsby et al., "Parameter-Efficient Transfer Learning for NLP", ICML 2019; Lester et
 * al., "The Power of Scale for Parameter-Efficient Prompt Tuning", EMNLP 2021; Ben Zaken et al., "BitFit", ACL 2022
 */
export const lora: Method<LoraSettings> = {
  name,
  adapts: true,
  settings: loraSettings,
  needsCalibration: () => false,
  training: ({ training }) => training,
  models: ({ training }) => teachersNamed(training),
  async apply(model, settings, environment, context) {
    const { seed = environment.seed, method, trainHead } = settings;
    const adaptation = adaptations[method](model, settings, seed ?? 0);
    const head = headPaths(model, trainHead);
    const trains = (path: string): boolean => adaptation.trains(path) || head.has(path);
    const { model: trained, note } = await trainOrRecall(environment, name, adaptation.start, () =>
      train(adaptation, trains, settings, environment, context),
    );
    const [bytesBefore, bytesAfter] = [parameterCounts(model).storedBytes, parameterCounts(trained).storedBytes];
    return { model: trained, report: { method: name, layers: [], note: `${adaptation.note}: ${note}`, bytesBefore, bytesAfter } };
  },
};

async function train(
  { start, scheme, finish }: Adaptation,
  trains: (path: string) => boolean,
  { training, method, seed }: LoraSettings,
  environment: CompressionEnvironment,
  context: OperationContext,
): Promise<TrainedStep> {
  const settings = withDefaults(training, learningRates[method], seed ?? environment.seed);
  const request = { model: start, settings, place: `${name}.training`, trains, ...(scheme && { scheme }) };
  const result = await trainingOf(environment, name).train(request, context);
  const step = trainedStep(result, trains);
  return finish === undefined ? step : { ...step, parameters: [...step.parameters, ...finish(result.schemeTensors)] };
}

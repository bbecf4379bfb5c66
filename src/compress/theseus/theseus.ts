// BERT-of-Theseus: the layers of a model are replaced, module by module and at random, by fewer ones that learn to work among them.
import { AppError } from '#base';
import { parameterCounts } from '#models';
import { aloneUnlessTaught, teachersNamed } from '#teaching';
import { defaultTrainSettings } from '#train';
import type { Method } from '../method.ts';
import { trainedStep, trainOrRecall } from '../train-or-recall.ts';
import { isOfSuccessor, joinModel, type ModuleStack, successorOf } from './modules.ts';
import { replacementSchedule } from './schedule.ts';
import { theseusScheme } from './scheme.ts';
import { type TheseusSettings, theseusSettings } from './settings.ts';

/**
 * One training: while modules are drawn, and then of the successor alone until held-out data says that it is enough. The predecessor, the embeddings and
 * the head stay as they are; only the successor's layers train, with the loss of the model's task.
 *
 * @see Xu et al., "BERT-of-Theseus: Compressing BERT by Progressive Module Replacing", EMNLP 2020. We differ: the loss after all modules are replaced is
 * measured on held-out data at set steps, and there is no dropout.
 */
export const theseus: Method<TheseusSettings> = {
  name: 'theseus',
  settings: theseusSettings,
  needsCalibration: () => false,
  models: ({ training }) => teachersNamed(training),
  training: ({ training }) => training,
  async apply(model, settings, environment, context) {
    const { patience, evaluateEvery, heldOut } = settings;
    const steps = settings.training.steps ?? defaultTrainSettings.steps;
    const schedule = replacementSchedule(settings, steps);
    const joined = joinModel(model, settings);
    const trains = (path: string): boolean => isOfSuccessor(joined.stacks, path);
    const start = successorOf(joined.model, joined.stacks);
    const { model: successor, note } = await trainOrRecall(environment, 'successor', start, async () => {
      const { training } = environment;
      if (training === undefined) throw new AppError('not_enough_samples', 'theseus: trains on data and got none. Give data.');
      const seed = settings.seed ?? environment.seed ?? 0;
      const trained = await training.train(
        {
          model: joined.model,
          settings: aloneUnlessTaught({ ...settings.training, steps }),
          place: 'theseus.training',
          scheme: theseusScheme(joined, schedule, seed),
          trains,
          stopping: { patience, evaluateEvery, heldOut, from: schedule.replacementSteps },
        },
        context,
      );
      const result = successorOf(trained.model, joined.stacks);
      const layers = [...result.parameters.values()].filter(({ path }) => joined.stacks.some(({ prefix }) => path.startsWith(prefix)));
      const { note: figures } = trainedStep(trained, trains);
      return { parameters: layers, note: `${describe(joined.stacks)} by step ${schedule.replacementSteps}; ${figures}` };
    });
    const [bytesBefore, bytesAfter] = [parameterCounts(model).storedBytes, parameterCounts(successor).storedBytes];
    return { model: successor, report: { method: 'theseus', layers: [], note, bytesBefore, bytesAfter } };
  },
};

function describe(stacks: readonly ModuleStack[]): string {
  const parts = stacks.map(({ modules, depthBefore, depthAfter }) => `${modules * depthBefore} layers by ${modules * depthAfter}`);
  return `${parts.join(' and ')} in ${stacks.map(({ modules }) => modules).join(' and ')} modules, all replaced`;
}

// Pruning that is learnt in training against magnitude at one go, at equal training.
import { type Cell, type Claim, recipeCell, type StudyScale, type TrainedStudy } from './study.ts';
import { openClassifier, openWiki, type Subject } from './subjects.ts';

const sparsities = [0.5, 0.85, 0.95];

export const openMovement = async (scale: StudyScale): Promise<TrainedStudy> => movementStudy(await openWiki(scale.rows), scale);
export const openMovementSst2 = async (scale: StudyScale): Promise<TrainedStudy> =>
  movementStudy(await openClassifier('sst2', scale.rows, { tuned: scale.makes }), scale);

function movementStudy(subject: Subject, { steps }: StudyScale): TrainedStudy {
  const training = {
    ...subject.training,
    steps,
    warmupSteps: Math.ceil(steps / 10),
    ...(subject.task === 'classify' ? { temperature: 2 } : {}),
  };
  const warmupSteps = Math.floor(steps / 20);
  const cooldownSteps = Math.floor(steps / 3);
  const learned = (method: string, sparsity: number): Cell =>
    recipeCell(subject, `${method} ${100 * sparsity} %`, steps, [{ prune: { method, sparsity, warmupSteps, cooldownSteps, training } }]);
  const cells: Cell[] = [
    recipeCell(subject, 'as it is', 0, []),
    recipeCell(subject, 'dense, trained', steps, [{ distill: training }]),
    ...sparsities.flatMap((sparsity) => [
      recipeCell(subject, `magnitude ${100 * sparsity} %`, 0, [{ prune: { sparsity } }]),
      recipeCell(subject, `magnitude, then trained ${100 * sparsity} %`, steps, [{ prune: { sparsity } }, { distill: training }]),
      learned('gradual', sparsity),
      learned('movement', sparsity),
    ]),
    recipeCell(subject, 'soft movement', steps, [{ prune: { method: 'softMovement', warmupSteps, cooldownSteps, penalty: 10, training } }]),
  ];
  return {
    title: `Learned pruning, ${subject.name}`,
    measure: subject.measure,
    setting: `${subject.name}, ${steps} steps towards the model as it was (α 0.9), zeros from step ${warmupSteps} on, all of them for the last ${cooldownSteps}; all block matrices`,
    cells,
    claims: sparsities.flatMap((sparsity): Claim[] => {
      const share = `${100 * sparsity} %`;
      return [
        { better: `gradual ${share}`, worse: `magnitude, then trained ${share}` },
        sparsity > 0.8
          ? { better: `movement ${share}`, worse: `gradual ${share}` }
          : { better: `gradual ${share}`, worse: `movement ${share}`, slack: 0.005 },
      ];
    }),
    ...(subject.task === 'causal' ? { limit: 4 } : {}),
    close: () => subject.engine.dispose(),
  };
}

// Six layers become three: replacing modules, against truncating, logit distillation and PKD.
import { type Cell, inOrder, recipeCell, type StudyScale, type TrainedStudy } from './study.ts';
import { type ClassifierName, openClassifier, openWiki, type Subject } from './subjects.ts';

export const openTheseus = async (scale: StudyScale): Promise<TrainedStudy> => theseusStudy(await openWiki(scale.rows), scale);
export const openTheseusOn =
  (name: ClassifierName) =>
  async (scale: StudyScale): Promise<TrainedStudy> =>
    theseusStudy(await openClassifier(name, scale.rows, { tuned: scale.makes }), scale);

function theseusStudy(subject: Subject, { steps }: StudyScale): TrainedStudy {
  const training = { ...subject.training, steps, warmupSteps: Math.ceil(steps / 16) };
  const temperature = subject.task === 'classify' ? 4 : 1;
  const firstThree = { prune: { structure: 'layers', remove: [3, 4, 5] } };
  const replaced = (name: string, settings: object): Cell =>
    recipeCell(subject, `theseus, ${name}`, steps, [{ theseus: { modules: 3, patience: 0, ...settings, training } }]);
  const losses = [
    { kind: 'labels', weight: 0.5 },
    { kind: 'logits', weight: 0.5, temperature },
    { kind: 'hidden', weight: 1, distance: 'pkd', layers: 'uniform', tokens: subject.task === 'classify' ? 'first' : 'all' },
  ];
  const cells: Cell[] = [
    recipeCell(subject, 'predecessor', 0, []),
    recipeCell(subject, 'truncated', 0, [firstThree]),
    recipeCell(subject, 'truncated, fine-tuned', steps, [firstThree, { finetune: { task: subject.task, ...training } }]),
    recipeCell(subject, 'distilled from logits', steps, [firstThree, { distill: { ...training, alpha: 0.5, temperature } }]),
    recipeCell(subject, 'PKD', steps, [firstThree, { distill: { ...training, losses } }]),
    replaced('constant', { schedule: 'constant', p: 0.5 }),
    replaced('linear', { schedule: 'linear', b: 0.3 }),
    replaced('anti-curriculum', { schedule: 'antiCurriculum', b: 0.3 }),
  ];
  return {
    title: `BERT-of-Theseus, ${subject.name}`,
    measure: subject.measure,
    setting: `${subject.name}, 6 layers to 3, ${steps} steps from the first three layers`,
    cells,
    claims: [
      ...inOrder('theseus, linear', 'theseus, constant', 'distilled from logits', 'truncated, fine-tuned'),
      { better: 'theseus, linear', worse: 'PKD' },
      { better: 'PKD', worse: 'distilled from logits' },
      { better: 'theseus, constant', worse: 'theseus, anti-curriculum' },
      { better: 'theseus, linear', worse: 'theseus, anti-curriculum' },
    ],
    ...(subject.task === 'causal' ? { limit: 4 } : {}),
    close: () => subject.engine.dispose(),
  };
}

// Which losses teach most in equal steps: students of half the layers, which begin as layers of their teacher or at random.
import { quietContext, Random } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import { type DistillSettings, distillModel, distillSettings } from '#distill';
import { initializeModel, parameterCounts } from '#models';
import { lossFields } from '#teaching';
import { type Cell, type Claim, inOrder, recipeCell, type StudyScale, type TrainedStudy } from './study.ts';
import { openClassifier, openWiki, type Subject } from './subjects.ts';

const logits = { kind: 'logits', weight: 1 };
const hidden = { kind: 'hidden', layers: 'uniform' };

interface Lesson extends Pick<DistillSettings, 'balance'> {
  readonly losses: readonly object[];
}

/** The first five in the order in which they should teach, from least to most; the others stand beside it. */
const lessons: Readonly<Record<string, Lesson>> = {
  labels: { losses: [{ kind: 'labels' }] },
  hidden: { losses: [hidden] },
  logits: { losses: [logits] },
  'logits + hidden': { losses: [logits, hidden] },
  'logits + relations': { losses: [logits, { kind: 'relation', of: 'minilmv2' }] },
  'logits + hidden, balanced': { losses: [logits, hidden], balance: 'gradientNorm' },
  'logits + attention': { losses: [logits, { kind: 'attention', layers: 'uniform' }] },
  'logits + minilm': { losses: [logits, { kind: 'relation', of: 'minilm' }] },
  'distilbert (5 logits, 2 labels, 1 cosine)': {
    losses: [
      { kind: 'logits', weight: 5, temperature: 2 },
      { kind: 'labels', weight: 2 },
      { kind: 'hidden', distance: 'cosine', layers: [[-1, -1]] },
    ],
  },
};
const fromRandom = ['labels', 'hidden', 'logits', 'logits + hidden', 'logits + relations'];

export const openLosses = async (scale: StudyScale): Promise<TrainedStudy> => lossesStudy(await openWiki(scale.rows), scale);
export const openLossesSst2 = async (scale: StudyScale): Promise<TrainedStudy> =>
  lossesStudy(await openClassifier('sst2', scale.rows, { tuned: scale.makes }), scale);

async function lossesStudy(subject: Subject, { steps }: StudyScale): Promise<TrainedStudy> {
  const { engine, model: teacher, corpus } = subject;
  const halving = { prune: { structure: 'layers', ratio: 0.5, importance: 'spacing' } };
  const { model: dropped } = await compressModel(teacher, parseRecipe({ steps: [halving] }, methods), { engine }, quietContext);
  const cell = (key: string, { losses, ...options }: Lesson, isRandom: boolean): Cell => ({
    key,
    steps,
    make: async (seed) => {
      const student = isRandom ? initializeModel(dropped.config, new Random(seed)) : dropped;
      const rate = isRandom && subject.task === 'causal' ? { learningRate: 1e-3 } : {};
      const settings = distillSettings({
        ...subject.training,
        ...rate,
        ...options,
        warmupSteps: Math.ceil(steps / 16),
        losses: lossFields.losses.parse(losses) ?? [],
        steps,
        seed,
      });
      const { model } = await distillModel({ student, teacher, corpus, settings }, engine, quietContext);
      return { score: await subject.score(model), storedBytes: parameterCounts(model).storedBytes };
    },
  });
  const ofLayers = (name: string): string => `from layers: ${name}`;
  const ofRandom = (name: string): string => `from random: ${name}`;
  const order = (of: (name: string) => string): Claim[] => [
    ...inOrder(of('logits + hidden'), of('logits'), of('hidden'), of('labels')),
    { better: of('logits + relations'), worse: of('logits') },
  ];
  return {
    title: `Losses of a distillation, ${subject.name}`,
    measure: subject.measure,
    setting: `${subject.name}, ${steps} steps, students of 3 of 6 layers`,
    cells: [
      recipeCell(subject, 'teacher', 0, []),
      recipeCell(subject, 'half of its layers', 0, [halving]),
      ...Object.entries(lessons).map(([name, lesson]) => cell(ofLayers(name), lesson, false)),
      ...fromRandom.map((name) => cell(ofRandom(name), lessons[name] ?? { losses: [] }, true)),
    ],
    claims: [
      ...order(ofLayers),
      ...order(ofRandom),
      // A student that begins as layers of its teacher, against the same student from random weights.
      { better: ofLayers('logits'), worse: ofRandom('logits') },
    ],
    ...(subject.task === 'causal' ? { limit: 4 } : {}),
    close: () => engine.dispose(),
  };
}

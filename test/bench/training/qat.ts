// What training wins back of few bits on the small Wikipedia model, with the model itself as the teacher and without.
import { type Cell, inOrder, recipeCell, type StudyScale, type TrainedStudy } from './study.ts';
import { openWiki } from './subjects.ts';

export async function openQat({ steps, rows }: StudyScale): Promise<TrainedStudy> {
  const subject = await openWiki(rows);
  const lambdaSteps = Math.floor(steps / 3);
  const training = { ...subject.training, steps, warmupSteps: Math.ceil(steps / 10) };
  const alone = { ...training, teacher: 'none' };
  const rounded = (key: string, settings: object): Cell => recipeCell(subject, `${key}, rounded`, 0, [{ quantize: settings }]);
  const trained = (key: string, settings: object, ofAll = steps): Cell =>
    recipeCell(subject, `${key}, trained with a teacher`, ofAll, [{ qat: { ...settings, training } }]);
  const trainedAlone = (key: string, settings: object): Cell =>
    recipeCell(subject, `${key}, trained`, steps, [{ qat: { ...settings, training: alone } }]);
  const ternary = { scheme: 'ternary', activations: 'token' };
  const bitNet = { ...ternary, threshold: 'absmean' };
  const cells: Cell[] = [
    recipeCell(subject, 'as it is', 0, []),
    recipeCell(subject, 'floats, trained with a teacher', steps, [{ distill: training }]),
    trained('int8', { bits: 8, activations: 'dynamic' }),
    ...[4, 3, 2].flatMap((bits) => [rounded(`${bits} bits`, { bits }), trained(`${bits} bits`, { bits })]),
    trained('2 bits, learned steps', { bits: 2, stepSize: 'learned' }),
    rounded('ternary', { scheme: 'ternary' }),
    trainedAlone('ternary', ternary),
    trained('ternary', ternary),
    trained('BitNet, λ from 0 to 1', { ...bitNet, lambdaSteps }),
    trained('BitNet, λ = 1', bitNet),
    rounded('binary', { scheme: 'binary' }),
    trained('binary', { scheme: 'binary', split: false }),
    trained('binary, split', { scheme: 'binary' }, 2 * steps),
  ];
  const taught = (what: string): string => `${what}, trained with a teacher`;
  return {
    title: 'Quantization-aware training',
    measure: subject.measure,
    setting: `${subject.name}, ${steps} steps of 4x128 tokens (binary, split: twice), groups of 32, all block matrices`,
    cells,
    claims: [
      { better: taught('int8'), worse: taught('floats'), slack: 0.005 },
      ...['4 bits', '3 bits', '2 bits', 'ternary', 'binary'].map((what) => ({ better: taught(what), worse: `${what}, rounded` })),
      ...inOrder(taught('int8'), taught('4 bits'), taught('3 bits'), taught('ternary'), taught('binary, split'), '2 bits, rounded'),
      { better: '2 bits, rounded', worse: 'ternary, rounded', slack: 0.1 },
      { better: taught('ternary'), worse: 'ternary, trained' },
      { better: taught('2 bits, learned steps'), worse: taught('2 bits') },
      { better: taught('binary, split'), worse: taught('binary') },
      { better: taught('BitNet, λ from 0 to 1'), worse: taught('BitNet, λ = 1'), slack: 0.005 },
    ],
    limit: 4,
    close: () => subject.engine.dispose(),
  };
}

// Six layers become three, by module replacing and by what it is held against: npx tsx test/bench/theseus.ts [--subjects wiki,sst2,cola,rte]
// [--steps N] [--seeds 1,2,3] [--methods PART] [--predecessor-steps N] [--rows N] [--out FOLDER]
//
// Every cell is one line in FOLDER/theseus.jsonl: a run that was stopped goes on with the cells that are missing. The table and the expected orderings are
// written to FOLDER/theseus.md after each cell.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { AppError } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { parameterCounts } from '#models';
import { openSubject, type Subject, type SubjectName, subjectNames } from './theseus-subjects.ts';

const { values } = parseArgs({
  options: {
    subjects: { type: 'string', default: 'wiki,sst2' },
    /** Of every method alike. */
    steps: { type: 'string', default: '600' },
    seeds: { type: 'string', default: '1,2,3' },
    /** Methods whose name does not contain it are left out. */
    methods: { type: 'string', default: '' },
    'predecessor-steps': { type: 'string', default: '600' },
    /** Rows of each data set; all by default. */
    rows: { type: 'string', default: '0' },
    out: { type: 'string', default: fileURLToPath(new URL('results', import.meta.url)) },
  },
});
const steps = Number(values.steps);
const seeds = values.seeds.split(',').map(Number);

/** What a recipe makes of the predecessor. */
interface StudyMethod {
  readonly name: string;
  recipe(subject: Subject): readonly object[];
}

const firstThree = { prune: { structure: 'layers', remove: [3, 4, 5] } };
const trainingOf = ({ training }: Subject): object => ({ ...training, steps, warmupSteps: Math.ceil(steps / 16) });
const replaced = (name: string, settings: object): StudyMethod => ({
  name: `theseus, ${name}`,
  recipe: (subject) => [{ theseus: { modules: 3, patience: 0, ...settings, training: trainingOf(subject) } }],
});

const methods: readonly StudyMethod[] = [
  { name: 'truncated, fine-tuned', recipe: (subject) => [firstThree, { finetune: { task: subject.task, ...trainingOf(subject) } }] },
  {
    name: 'distilled (logits)',
    recipe: (subject) => [
      firstThree,
      { distill: { ...trainingOf(subject), alpha: 0.5, temperature: subject.task === 'classify' ? 4 : 1 } },
    ],
  },
  {
    name: 'PKD (logits and hidden states)',
    recipe: (subject) => {
      const losses = [
        { kind: 'labels', weight: 0.5 },
        { kind: 'logits', weight: 0.5, temperature: subject.task === 'classify' ? 4 : 1 },
        { kind: 'hidden', weight: 1, distance: 'pkd', layers: 'uniform', tokens: subject.task === 'classify' ? 'first' : 'all' },
      ];
      return [firstThree, { distill: { ...trainingOf(subject), losses } }];
    },
  },
  replaced('constant', { schedule: 'constant', p: 0.5 }),
  replaced('linear', { schedule: 'linear', b: 0.3 }),
  replaced('anti-curriculum', { schedule: 'antiCurriculum', b: 0.3 }),
];

interface StudyRecord {
  readonly subject: SubjectName;
  readonly method: string;
  readonly steps: number;
  readonly seed: number;
  readonly predecessorSteps: number;
  readonly rows: number;
  readonly parameters: number;
  readonly score: number;
  readonly seconds: number;
  /** Why there is no score. */
  readonly failure?: string;
}

const [rows, predecessorSteps] = [Number(values.rows), Number(values['predecessor-steps'])];
const setting = { predecessorSteps, rows };
mkdirSync(values.out, { recursive: true });
const recordsPath = join(values.out, 'theseus.jsonl');
const isOfSetting = (record: StudyRecord): boolean => record.rows === rows && record.predecessorSteps === predecessorSteps;
const records: StudyRecord[] = !existsSync(recordsPath)
  ? []
  : readFileSync(recordsPath, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as StudyRecord)
      .filter(isOfSetting);

function add(record: StudyRecord): void {
  records.push(record);
  appendFileSync(recordsPath, `${JSON.stringify(record)}\n`);
  console.error(
    `${record.subject}, ${record.method}, seed ${record.seed}: ${record.failure ?? record.score.toFixed(4)} (${record.seconds.toFixed(0)} s)`,
  );
}

const find = (subject: SubjectName, method: string, ofSteps: number, seed: number): StudyRecord | undefined =>
  records.find(
    (record) =>
      record.subject === subject &&
      record.method === method &&
      record.steps === ofSteps &&
      record.seed === seed &&
      // What failed is tried again: another version may know the recipe.
      record.failure === undefined,
  );

async function cell(subject: Subject, { name, recipe }: StudyMethod, seed: number): Promise<void> {
  const started = performance.now();
  const base = { subject: subject.name, method: name, steps, seed, ...setting };
  const seconds = (): number => (performance.now() - started) / 1000;
  try {
    const model = await subject.run(recipe(subject), seed);
    add({ ...base, parameters: parameterCounts(model).stored, score: await subject.score(model), seconds: seconds() });
  } catch (error) {
    // A recipe that this version does not know, for example.
    if (!(error instanceof AppError)) throw error;
    add({ ...base, parameters: 0, score: 0, seconds: seconds(), failure: error.message });
  }
}

function scoresOf(subject: SubjectName, method: string): number[] {
  return records
    .filter((record) => record.subject === subject && record.method === method && record.steps === steps && record.failure === undefined)
    .map(({ score }) => score);
}

const mean = (scores: readonly number[]): number => scores.reduce((sum, score) => sum + score, 0) / scores.length;

/** Of methods from the best to the worst, as the paper finds them; a pair of neighbours each. */
const order: readonly (readonly [string, string])[] = [
  ['theseus, linear', 'theseus, constant'],
  ['theseus, constant', 'theseus, anti-curriculum'],
  ['theseus, linear', 'PKD (logits and hidden states)'],
  ['theseus, linear', 'distilled (logits)'],
  ['PKD (logits and hidden states)', 'distilled (logits)'],
  ['distilled (logits)', 'truncated, fine-tuned'],
];

function verdict({ name, lessIsBetter }: Subject, [better, worse]: readonly [string, string]): string {
  const [left, right] = [scoresOf(name, better), scoresOf(name, worse)];
  if (left.length === 0 || right.length === 0) return `- not measured: ${better} before ${worse}`;
  const holds = lessIsBetter ? mean(left) <= mean(right) : mean(left) >= mean(right);
  return `- ${holds ? 'holds' : '**contradicted**'}: ${better} (${mean(left).toFixed(4)}) before ${worse} (${mean(right).toFixed(4)})`;
}

function report(subject: Subject): string {
  const predecessor = find(subject.name, 'predecessor', 0, 0);
  const lines = methods.map(({ name }) => {
    const scores = scoresOf(subject.name, name);
    const failure = records.find(
      (record) => record.subject === subject.name && record.method === name && record.failure !== undefined,
    )?.failure;
    if (scores.length === 0) return `| ${name} | ${failure ?? '-'} | | | |`;
    const range = scores.length === 1 ? '-' : `${Math.min(...scores).toFixed(4)} to ${Math.max(...scores).toFixed(4)}`;
    const share = predecessor === undefined || predecessor.score === 0 ? '-' : `${((100 * mean(scores)) / predecessor.score).toFixed(1)} %`;
    return `| ${name} | ${mean(scores).toFixed(4)} | ${range} | ${share} | ${scores.length} |`;
  });
  return `## ${subject.name}: ${subject.measure}

Predecessor: ${predecessor?.score.toFixed(4) ?? '-'} with ${((predecessor?.parameters ?? 0) / 1e6).toFixed(2)}M parameters.

| method | mean | range | of the predecessor's | seeds |
| --- | --- | --- | --- | --- |
${lines.join('\n')}

${order.map((pair) => verdict(subject, pair)).join('\n')}
`;
}

const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
const subjects: Subject[] = [];
for (const name of values.subjects.split(',')) {
  const known = subjectNames.find((each) => each === name);
  if (known === undefined) throw new Error(`--subjects: ${name} is none of ${subjectNames.join(', ')}`);
  const subject = await openSubject(engine, known, { ...setting, folder: join(values.out, 'predecessors') });
  subjects.push(subject);
  if (find(known, 'predecessor', 0, 0) === undefined) {
    const { stored } = parameterCounts(subject.predecessor);
    add({
      subject: known,
      method: 'predecessor',
      steps: 0,
      seed: 0,
      ...setting,
      parameters: stored,
      score: await subject.score(subject.predecessor),
      seconds: 0,
    });
  }
}
for (const seed of seeds)
  for (const subject of subjects)
    for (const method of methods) {
      if (!method.name.includes(values.methods) || find(subject.name, method.name, steps, seed) !== undefined) continue;
      await cell(subject, method, seed);
      writeFileSync(
        join(values.out, 'theseus.md'),
        `# Six layers become three

Made by \`npx tsx test/bench/theseus.ts --subjects ${values.subjects} --steps ${steps} --seeds ${values.seeds} --rows ${rows}\` on ${cpus()[0]?.model.trim()}, 2 threads.
Every method trains for ${steps} steps from the first three layers; the range is over seeds.

${subjects.map(report).join('\n')}`,
      );
    }
await engine.dispose();

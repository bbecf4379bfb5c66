// Studies of training in one command, two cells at a time, each with one thread: the tables, the verdicts and the chart.
// Usage: npx tsx test/bench/training/run.ts [--studies flop,theseus,…] [--steps N] [--seeds N] [--only PART OF A KEY] [--report]
//
// Every cell is a line of `results/training.jsonl`: a run that was stopped goes on with the cells that are missing. `--report` only writes the report anew.
import { execFile, spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { Records } from '../catalogue/records.ts';
import { openFlop } from './flop.ts';
import { openLosses, openLossesSst2 } from './losses.ts';
import { openMovement, openMovementSst2 } from './movement.ts';
import { openQat } from './qat.ts';
import { type MeasuredStudy, writeTrainingReport } from './report.ts';
import { openSideTuning, openSideTuningSst2 } from './side-tuning.ts';
import type { Cell, Made, StudyScale, TrainedRecord, TrainedStudy } from './study.ts';
import { openTheseus, openTheseusOn } from './theseus.ts';

const studies: Readonly<Record<string, (scale: StudyScale) => Promise<TrainedStudy>>> = {
  flop: openFlop,
  theseus: openTheseus,
  'theseus-sst2': openTheseusOn('sst2'),
  'theseus-cola': openTheseusOn('cola'),
  'theseus-rte': openTheseusOn('rte'),
  'side-tuning': openSideTuning,
  'side-tuning-sst2': openSideTuningSst2,
  losses: openLosses,
  'losses-sst2': openLossesSst2,
  qat: openQat,
  movement: openMovement,
  'movement-sst2': openMovementSst2,
};

/** What one run of under 90 minutes makes. */
const usual = 'flop,theseus,side-tuning,losses,qat,movement';
const { values } = parseArgs({
  options: {
    studies: { type: 'string', default: usual },
    steps: { type: 'string', default: '100' },
    seeds: { type: 'string', default: '3' },
    /** Cells whose key does not contain it are left out. */
    only: { type: 'string', default: '' },
    /** Labelled texts, and hundreds of held-out characters; all when 0: for trials. */
    rows: { type: 'string', default: '0' },
    results: { type: 'string', default: fileURLToPath(new URL('../results/training', import.meta.url)) },
    report: { type: 'boolean', default: false },
    /** Of the processes that this one starts. */
    worker: { type: 'string' },
    cell: { type: 'string' },
  },
});
const scale = { steps: Number(values.steps), rows: Number(values.rows) };
const seeds = Array.from({ length: Number(values.seeds) }, (_, seed) => seed);
const names = values.studies.split(',');
const records = new Records<TrainedRecord>(`${values.results}.jsonl`);

if (values.cell !== undefined) await makeOneCell(values.cell);
else if (values.worker !== undefined) await work(values.worker === 'backwards');
else {
  if (!values.report) {
    // What studies keep between runs is made once, before two workers would.
    for (const name of names) await (await open(name)).close();
    await Promise.all(['forwards', 'backwards'].map(startWorker));
  }
  await report();
}

function open(name: string, makes = true): Promise<TrainedStudy> {
  const opened = studies[name]?.({ ...scale, makes });
  if (opened === undefined) throw new Error(`--studies: ${name} is none of ${Object.keys(studies).join(', ')}`);
  return opened;
}

function startWorker(worker: string): Promise<void> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1), '--worker', worker], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ATHANOR_BENCH_THREADS: '1' },
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`the ${worker} worker ended with ${code}`))));
  });
}

/** Cells of all studies, seed by seed; the other worker comes from the other end. */
async function work(backwards: boolean): Promise<void> {
  const inTurn = <Each>(list: readonly Each[]): readonly Each[] => (backwards ? list.toReversed() : list);
  for (const seed of inTurn(seeds))
    for (const name of inTurn(names)) {
      const study = await open(name);
      for (const cell of inTurn(study.cells)) {
        const isWanted = cell.key.includes(values.only) && (cell.steps > 0 || seed === 0);
        if (!isWanted || find(name, cell, seed) !== undefined) continue;
        const started = performance.now();
        const { facts, ...made } = study.isolated === true ? await inOwnProcess(name, cell, seed) : await cell.make(seed);
        const seconds = (performance.now() - started) / 1000;
        const key = `${name}: ${cell.key}`;
        const machine = cpus()[0]?.model.trim() ?? 'unknown';
        const cellOf = { key, series: cell.key, family: name, size: '', steps: scale.steps, seed, machine };
        records.add({ ...cellOf, ...made, facts: { ...facts, seconds } });
        process.stderr.write(`${key}, seed ${seed}: ${made.score.toFixed(4)}, ${made.storedBytes} bytes, ${seconds.toFixed(0)} s\n`);
      }
      await study.close();
    }
}

function find(name: string, { key }: Cell, seed: number): TrainedRecord | undefined {
  return records.find(`${name}: ${key}`, scale.steps, seed);
}

async function inOwnProcess(name: string, { key }: Cell, seed: number): Promise<Made> {
  const given = ['--studies', name, '--steps', values.steps, '--rows', values.rows, '--cell', `${seed} ${key}`];
  const script = fileURLToPath(import.meta.url);
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, script, ...given], { maxBuffer: 2 ** 24 });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Made;
}

async function makeOneCell(text: string): Promise<void> {
  const [seed = '0', ...key] = text.split(' ');
  const study = await open(names[0] ?? '');
  const cell = study.cells.find((each) => each.key === key.join(' '));
  if (cell === undefined) throw new Error(`--cell: no such cell: ${text}`);
  const made = await cell.make(Number(seed));
  await study.close();
  process.stdout.write(`\n${JSON.stringify(made)}\n`);
}

async function report(): Promise<void> {
  const measured: MeasuredStudy[] = [];
  let seconds = 0;
  for (const name of names) {
    const study = await open(name, false);
    const own = records.all.filter(({ family, steps }) => family === name && steps === scale.steps);
    seconds += own.reduce((sum, { facts }) => sum + (facts?.['seconds'] ?? 0), 0);
    const ofCells = own.map((record) => ({
      ...record,
      key: record.series,
      steps: study.cells.find(({ key }) => key === record.series)?.steps ?? 0,
    }));
    measured.push({ study, records: ofCells });
    await study.close();
  }
  await writeTrainingReport(measured, {
    command: `npx tsx test/bench/training/run.ts${values.studies === usual ? '' : ` --studies ${values.studies}`} --steps ${scale.steps} --seeds ${seeds.length}${values.only === '' ? '' : ` --only "${values.only}"`}`,
    seeds,
    minutes: seconds / 120,
    markdownPath: `${values.results}.md`,
    chartPath: `${values.results}.svg`,
    chartName: `${values.results.split('/').at(-1)}.svg`,
  });
}

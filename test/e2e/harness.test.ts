// lm-evaluation-harness over gRPC (our model class) and over HTTP (its own client), against numbers that transformers gave.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AthanorClient } from '#server';
import { harnessEnvironment } from '#test/harness-environment';
import { describeWithShared, repositoryRoot } from '#test/shared';
import { temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';

type Score = readonly [logLikelihood: number, isGreedy: boolean];

interface Golden {
  readonly lambada: { readonly rows: readonly number[]; readonly scores: readonly Score[]; readonly accuracy: number };
  readonly blimp: { readonly rows: readonly number[]; readonly scores: readonly (readonly [Score, Score])[]; readonly accuracy: number };
}

/** What the harness wrote of one run, by task. */
interface Run {
  readonly results: Readonly<Record<string, Readonly<Record<string, number | string>>>>;
  readonly samples: Readonly<Record<string, readonly (readonly unknown[])[]>>;
}

const goldenFolder = join(repositoryRoot, 'test/golden/harness');
const golden = JSON.parse(readFileSync(join(goldenFolder, 'golden.json'), 'utf8')) as Golden;
const tasks = ['lambada_subset', 'blimp_subset', 'continue_subset'];
/** Of log-likelihoods, nats. */
const tolerance = 1e-3;

describeWithShared(
  'lm-evaluation-harness',
  (shared) => {
    const folder = temporaryFolderForSuite();
    let running: RunningServer | undefined;
    let python = '';
    let missing = '';
    let http: Run | undefined;

    beforeAll(async () => {
      const environment = await harnessEnvironment();
      if ('missing' in environment) {
        missing = environment.missing;
        return;
      }
      python = environment.python;
      running = await startServer({
        store: join(folder, 'store'),
        address: '127.0.0.1:0',
        httpAddress: '127.0.0.1:0',
        checkResults: false,
      });
      const client = new AthanorClient(`127.0.0.1:${running.server.port}`);
      const path = join(repositoryRoot, 'test/fixtures/models/wiki-gpt2-7m');
      await client.unary(client.protocol.model.Import, { name: 'wiki', path });
      client.close();
      writeDocuments(shared);
    });

    afterAll(() => running?.stop({ graceMs: 100 }));

    /** The rows of the golden numbers, and texts of our own, as files of the harness's local tasks. */
    function writeDocuments(data: string): void {
      const pick = (text: string, rows: readonly number[]): string => {
        const lines = text.split('\n');
        return rows.map((row) => `${lines[row] ?? ''}\n`).join('');
      };
      const lambada = readFileSync(join(data, 'data/eval/lambada/lambada_openai.jsonl'), 'utf8');
      writeFileSync(join(folder, 'lambada.jsonl'), pick(lambada, golden.lambada.rows));
      const blimp = gunzipSync(readFileSync(join(data, 'data/eval/blimp/blimp.jsonl.gz'))).toString();
      writeFileSync(join(folder, 'blimp.jsonl'), pick(blimp, golden.blimp.rows));
      const text = readFileSync(join(repositoryRoot, 'test/fixtures/text/evaluate.txt'), 'utf8');
      const documents = (texts: readonly string[]): string => texts.map((each) => `${JSON.stringify({ text: each })}\n`).join('');
      // The second one is longer than the model's 512 positions.
      writeFileSync(join(folder, 'rolling.jsonl'), documents([text.slice(0, 300), text.slice(1000, 6000)]));
      writeFileSync(join(folder, 'continue.jsonl'), documents(['The city of', 'In 1912 the', text.slice(0, 4000)]));
    }

    /** Runs the harness's command line, or another program with the same arguments. */
    async function evaluate(model: string, modelArgs: string, names: readonly string[], program = ['-m', 'lm_eval']): Promise<Run> {
      const out = join(folder, `${model}-${names.length}`);
      const chosen = ['--tasks', names.join(','), '--include_path', join(goldenFolder, 'tasks'), '--batch_size', '16'];
      const args = ['--model', model, '--model_args', modelArgs, ...chosen, '--output_path', out, '--log_samples'];
      await promisify(execFile)(python, [...program, ...args], {
        cwd: folder,
        maxBuffer: 2 ** 24,
        env: { ...process.env, HF_HOME: join(folder, 'hf'), HF_HUB_OFFLINE: '1', HF_DATASETS_OFFLINE: '1', OPENAI_API_KEY: '' },
      });
      return readRun(out, names);
    }

    it('gets over gRPC and over HTTP what transformers gives', async (context) => {
      if (running === undefined) return context.skip(missing);
      // The client's start-up file has told the harness of the model: its own command line knows it.
      const grpc = await evaluate('athanor', `target=127.0.0.1:${running.server.port},model=wiki,max_length=511`, tasks);
      const url = `http://127.0.0.1:${running.http?.port}/v1/completions`;
      http = await evaluate('local-completions', `model=wiki,base_url=${url},max_length=512,num_concurrent=2`, [
        ...tasks,
        'rolling_subset',
      ]);
      for (const run of [grpc, http]) {
        expect(run.results['lambada_subset']?.['acc,none']).toBe(golden.lambada.accuracy);
        expect(run.results['blimp_subset']?.['acc,none']).toBe(golden.blimp.accuracy);
        expectScores(
          run.samples['lambada_subset'],
          golden.lambada.scores.map((score) => [score]),
        );
        expectScores(run.samples['blimp_subset'], golden.blimp.scores);
      }
      expect(http.samples['continue_subset']).toEqual(grpc.samples['continue_subset']);
    });

    it('scores whole texts as the harness’s own client does, by `python -m athanor.lm_eval` too', async (context) => {
      if (running === undefined) return context.skip(missing);
      // The other client leaves a position for the token that it must ask for, and one more.
      const modelArgs = `target=127.0.0.1:${running.server.port},model=wiki,max_length=510`;
      const grpc = await evaluate('athanor', modelArgs, ['rolling_subset'], ['-m', 'athanor.lm_eval']);
      const [ours, theirs] = [grpc, http].map((run) => (run?.samples['rolling_subset'] ?? []).flat().map(Number));
      expect(ours).toHaveLength(2);
      for (const [index, value] of (ours ?? []).entries())
        expect(Math.abs(value - (theirs?.[index] ?? 0))).toBeLessThan(1e-5 * Math.abs(value));
      const bits = grpc.results['rolling_subset']?.['bits_per_byte,none'];
      expect(bits).toBeGreaterThan(0.5);
      expect(bits).toBeLessThan(3);
    });

    it('names a model that is not there', async (context) => {
      if (running === undefined) return context.skip(missing);
      const run = evaluate('athanor', `target=127.0.0.1:${running.server.port},model=nobody`, ['blimp_subset']);
      await expect(run).rejects.toThrow(/model_not_found/);
    });
  },
  ['data/eval/lambada/lambada_openai.jsonl', 'data/eval/blimp/blimp.jsonl.gz'],
);

function readRun(folder: string, tasks: readonly string[]): Run {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const results = files.find((file) => /results_[^/]*\.json$/.test(file)) ?? '';
  const report = JSON.parse(readFileSync(join(folder, results), 'utf8')) as Pick<Run, 'results'>;
  const samples = tasks.map((task) => {
    const file = files.find((each) => each.includes(`samples_${task}_`)) ?? '';
    const rows = readFileSync(join(folder, file), 'utf8').trim().split('\n');
    const parsed = rows.map((row) => JSON.parse(row) as { readonly doc_id: number; readonly filtered_resps: readonly unknown[] });
    return [task, parsed.sort((left, right) => left.doc_id - right.doc_id).map((row) => row.filtered_resps)] as const;
  });
  return { results: report.results, samples: Object.fromEntries(samples) };
}

function expectScores(found: readonly (readonly unknown[])[] | undefined, expected: readonly (readonly Score[])[]): void {
  const scores = (found ?? []) as readonly (readonly (readonly [number | string, boolean | string])[])[];
  expect(scores).toHaveLength(expected.length);
  for (const [row, answers] of expected.entries())
    for (const [column, [logLikelihood, isGreedy]] of answers.entries()) {
      const [value, greedy] = scores[row]?.[column] ?? [Number.NaN, ''];
      expect(Math.abs(Number(value) - logLikelihood), `row ${row}`).toBeLessThanOrEqual(tolerance);
      expect(String(greedy).toLowerCase(), `row ${row}`).toBe(String(isGreedy));
    }
}

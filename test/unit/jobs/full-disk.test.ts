// Jobs on a disk that is really full for SQLite: nothing is lost, nothing ends the process, and all goes on when there is room.
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type JobEvent, JobRunner, JobStore } from '#jobs';
import { temporaryFolder } from '#test/temporary';
import { countHandler, Gate } from '#test/trivial-job';

type DatabaseModule = typeof import('../../../src/jobs/database.ts');
type Database = ReturnType<DatabaseModule['openDatabase']>;

const opened = vi.hoisted(() => ({ databases: [] as unknown[] }));

vi.mock('../../../src/jobs/database.ts', async (original) => {
  const module = await original<DatabaseModule>();
  return {
    ...module,
    openDatabase: (path: string) => {
      const database = module.openDatabase(path);
      opened.databases.push(database);
      return database;
    },
  };
});

const started: { readonly runner: JobRunner; readonly store: JobStore }[] = [];

interface Started {
  readonly runner: JobRunner;
  readonly store: JobStore;
  readonly gate: Gate;
  fill(): void;
  makeRoom(): void;
}

function start(folder: string): Started {
  const gate = new Gate();
  const store = JobStore.open(join(folder, 'jobs.db'));
  const database = opened.databases.at(-1) as Database;
  const handlers = [countHandler({ gate }), countHandler({ kind: 'resumable', canResume: true, gate })];
  const runner = JobRunner.start({ store, handlers, workFolder: join(folder, 'work'), flushMs: 1, heartbeatMs: 0, retryMs: 5 });
  started.push({ runner, store });
  return {
    runner,
    store,
    gate,
    fill() {
      // No page more than there are, and those that are half empty get filled up.
      database.pragma('max_page_count = 1');
      const insert = database.prepare('INSERT INTO models (hash, facts) VALUES (?, ?)');
      for (let row = 0, size = 2000; size > 0; row++)
        try {
          insert.run(`fill-${size}-${row}`, 'x'.repeat(size));
        } catch {
          size = Math.floor(size / 2);
        }
      database.exec(
        'CREATE TEMP TRIGGER full_jobs BEFORE UPDATE ON jobs BEGIN INSERT INTO models (hash, facts) VALUES (hex(randomblob(16)), hex(zeroblob(9000))); END',
      );
    },
    makeRoom() {
      database.pragma('max_page_count = 1000000');
      database.exec('DROP TRIGGER full_jobs');
    },
  };
}

afterEach(async () => {
  for (const { runner, store } of started.splice(0)) {
    await runner.stop();
    store.close();
  }
});

async function states(events: AsyncIterable<JobEvent>): Promise<string[]> {
  const all: string[] = [];
  for await (const event of events) if (event.kind === 'state') all.push(event.state);
  return all;
}

async function runUntilStep(runner: JobRunner, id: string, step: number): Promise<void> {
  for await (const event of runner.watch(id, 1)) if (event.kind === 'progress' && event.progress.step === step) return;
}

describe('a full disk', () => {
  it('refuses a job by name and keeps a queued one until there is room', async () => {
    const { runner, gate, fill, makeRoom } = start(temporaryFolder());
    const first = await runner.submit('count', { steps: 1, stepwise: true });
    const second = await runner.submit('count', { steps: 1 });
    await vi.waitFor(() => expect(runner.get(first.id).state).toBe('RUNNING'));
    fill();
    await expect(runner.submit('count', { steps: 1 })).rejects.toMatchObject({
      code: 'disk_full',
      message: expect.stringMatching(/Free space/),
    });
    gate.advance(1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([runner.get(first.id).state, runner.get(second.id).state]).toEqual(['RUNNING', 'QUEUED']);
    makeRoom();
    expect(await states(runner.watch(second.id, 1))).toEqual(['QUEUED', 'RUNNING', 'SUCCEEDED']);
    expect(runner.get(first.id)).toMatchObject({ state: 'SUCCEEDED', result: { counted: 1 } });
  });

  it('lets a server stop in order, and the next one goes on', async () => {
    const folder = temporaryFolder();
    const { runner, store, gate, fill, makeRoom } = start(folder);
    const job = await runner.submit('resumable', { steps: 3, stepwise: true });
    gate.advance(1);
    await runUntilStep(runner, job.id, 1);
    fill();
    await runner.stop();
    expect(runner.get(job.id).state).toBe('RUNNING');
    makeRoom();
    store.close();
    started.length = 0;
    const next = start(folder);
    next.gate.advance(2);
    expect(await next.runner.result(job.id)).toEqual({ counted: 3, firstStep: 1 });
  });

  it('keeps what is known of a model in memory', () => {
    const { store, fill } = start(temporaryFolder());
    fill();
    store.models.saveJob('hash', 'job-1');
    store.models.saveJob('hash', 'job-2');
    expect(store.models.entry('hash')).toEqual({ jobId: 'job-1' });
  });
});

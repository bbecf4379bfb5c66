// What people do with jobs: pause, resume, retry, priorities, quotas, forgetting; and what the runner does with jobs that kill it.
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Clock } from '#base';
import { type JobEvent, JobRunner, type JobRunnerOptions, JobStore } from '#jobs';
import { temporaryFolder } from '#test/temporary';
import { countHandler, Gate } from '#test/trivial-job';

const open: { readonly runner: JobRunner; readonly store: JobStore }[] = [];

interface Started {
  readonly runner: JobRunner;
  readonly store: JobStore;
  readonly folder: string;
  readonly gate: Gate;
}

function start(folder = temporaryFolder(), options: Partial<JobRunnerOptions> = {}, clock?: Clock): Started {
  const gate = new Gate();
  const store = JobStore.open(join(folder, 'jobs.db'), clock);
  const handlers = [countHandler({ gate, canResume: true }), countHandler({ kind: 'once', gate })];
  const runner = JobRunner.start({
    store,
    handlers,
    workFolder: join(folder, 'work'),
    flushMs: 1,
    heartbeatMs: 0,
    ...options,
    ...(clock && { clock }),
  });
  open.push({ runner, store });
  return { runner, store, folder, gate };
}

/** Ends everything as a killed process does: the file is let go, nothing is written. */
function kill({ store }: Started): void {
  store.close();
  open.splice(0);
}

/** Until an event of the job is such; from the sequence number on. */
async function until({ runner }: Started, id: string, wanted: (event: JobEvent) => boolean, from = 1): Promise<void> {
  for await (const event of runner.watch(id, from)) if (wanted(event)) return;
  throw new Error(`job ${id} ended as ${runner.get(id).state}`);
}
const isState =
  (state: string) =>
  (event: JobEvent): boolean =>
    event.kind === 'state' && event.state === state;
const isStep =
  (step: number) =>
  (event: JobEvent): boolean =>
    event.kind === 'progress' && event.progress.step === step;

afterEach(async () => {
  for (const { runner, store } of open.splice(0)) {
    await runner.stop().catch(() => {});
    store.close();
  }
});

describe('pausing', () => {
  it('frees the slot of a running job, which goes on where it was when it is resumed', async () => {
    const started = start();
    const { runner, gate } = started;
    const { id } = await runner.submit('count', { steps: 5, stepwise: true });
    gate.advance(2);
    await until(started, id, isStep(2));
    expect(runner.pause(id)).toMatchObject({ state: 'RUNNING', isPausing: true });
    await until(started, id, isState('PAUSED'));
    expect(runner.get(id)).toMatchObject({ state: 'PAUSED', isPausing: false, attempts: 1 });
    expect(runner.runningCount).toBe(0);
    const other = await runner.submit('count', { steps: 1 });
    await runner.result(other.id);
    expect(runner.pause(id).state).toBe('PAUSED');
    gate.advance(10);
    expect(runner.resume(id).state).toBe('QUEUED');
    await expect(runner.result(id)).resolves.toEqual({ counted: 5, firstStep: 2 });
  });

  it('holds back a waiting job, which keeps the name that it is to write', async () => {
    const started = start();
    const { runner, gate } = started;
    const first = await runner.submit('count', { steps: 1, stepwise: true });
    const { id } = await runner.submit('count', { steps: 1, target: 'half' });
    expect(runner.pause(id).state).toBe('PAUSED');
    gate.advance();
    await runner.result(first.id);
    expect(runner.get(id)).toMatchObject({ state: 'PAUSED', attempts: 0 });
    await expect(runner.submit('count', { steps: 1, target: 'half' })).rejects.toMatchObject({ code: 'name_taken' });
    expect(runner.cancel(id).state).toBe('CANCELLED');
    await runner.result((await runner.submit('count', { steps: 1, target: 'half' })).id);
  });

  it('lasts through the end of the process, asked for or done', async () => {
    const before = start();
    const { id } = await before.runner.submit('count', { steps: 5, stepwise: true });
    const waiting = await before.runner.submit('count', { steps: 1 });
    before.runner.pause(waiting.id);
    before.gate.advance(1);
    await until(before, id, isStep(1));
    before.store.setPausing(id, true); // and the process dies before the job has stopped
    kill(before);
    const after = start(before.folder);
    expect(after.runner.get(id).state).toBe('PAUSED');
    expect(after.runner.get(waiting.id).state).toBe('PAUSED');
    after.gate.advance(9);
    after.runner.resume(id);
    await expect(after.runner.result(id)).resolves.toEqual({ counted: 5, firstStep: 1 });
  });

  it('can be taken back before the job has stopped', async () => {
    const started = start();
    const { runner, gate } = started;
    const { id } = await runner.submit('count', { steps: 3, stepwise: true });
    await until(started, id, isState('RUNNING'));
    runner.pause(id);
    expect(runner.resume(id)).toMatchObject({ state: 'RUNNING', isPausing: false });
    gate.advance(5);
    await expect(runner.result(id)).resolves.toMatchObject({ counted: 3 });
  });

  it('is refused where it would lose work or makes no sense, and so is resuming', async () => {
    const started = start();
    const { runner } = started;
    const { id } = await runner.submit('once', { steps: 2, stepwise: true });
    await until(started, id, isState('RUNNING'));
    expect(() => runner.pause(id)).toThrow(/\[unsupported\].*would begin anew/);
    expect(() => runner.resume(id)).toThrow(/\[wrong_state\].*RUNNING/);
    runner.cancel(id);
    expect(() => runner.pause(id)).toThrow(/\[wrong_state\]/);
    await until(started, id, isState('CANCELLED'));
    expect(() => runner.resume(id)).toThrow(/\[wrong_state\].*CANCELLED/);
    expect(() => runner.pause('nobody')).toThrow(/\[job_not_found\]/);
  });
});

describe('trying again', () => {
  it('goes on from what a cancelled or failed job left, as a new job', async () => {
    const started = start();
    const { runner, gate } = started;
    const cancelled = await runner.submit('count', { steps: 4, stepwise: true, target: 'x' }, { priority: 3 });
    gate.advance(2);
    await until(started, cancelled.id, isStep(2));
    runner.cancel(cancelled.id);
    await until(started, cancelled.id, isState('CANCELLED'));
    await expect(runner.retry('nobody')).rejects.toMatchObject({ code: 'job_not_found' });
    const again = await runner.retry(cancelled.id);
    expect(again).toMatchObject({ retryOf: cancelled.id, priority: 3, target: 'x' });
    expect(again.id).not.toBe(cancelled.id);
    await expect(runner.retry(again.id)).rejects.toMatchObject({ code: 'wrong_state' });
    gate.advance(9);
    await expect(runner.result(again.id)).resolves.toEqual({ counted: 4, firstStep: 2 });
    expect(runner.get(cancelled.id).state).toBe('CANCELLED');

    const failed = await runner.submit('count', { steps: 3, failAt: 3 });
    await expect(runner.result(failed.id)).rejects.toMatchObject({ code: 'bad_data' });
    const fresh = await runner.retry(failed.id, { fresh: true });
    await expect(runner.result(fresh.id)).rejects.toMatchObject({ code: 'bad_data' });
    expect(readdirSync(join(started.folder, 'work'))).toEqual(expect.arrayContaining([failed.id, fresh.id]));
  });
});

describe('the queue', () => {
  it('starts the highest priority first, and of equal ones the oldest, whatever the clock says', async () => {
    let nowMs = 1e12;
    const clock: Clock = { nowMs: () => (nowMs -= 1000), monotonicMs: () => performance.now() };
    const started = start(undefined, {}, clock);
    const { runner, gate } = started;
    const first = await runner.submit('count', { steps: 1, stepwise: true });
    await until(started, first.id, isState('RUNNING'));
    const order: string[] = [];
    const submit = async (name: string, priority?: number): Promise<string> => {
      const { id } = await runner.submit('count', { steps: 1 }, priority === undefined ? {} : { priority });
      void until(started, id, isState('RUNNING')).then(() => order.push(name));
      return id;
    };
    const ids = [await submit('low', -1), await submit('first'), await submit('second'), await submit('high', 5)];
    gate.advance();
    for (const id of ids) await runner.result(id);
    expect(order).toEqual(['high', 'first', 'second', 'low']);
    expect(runner.list([], 10).map(({ id }) => id)).toEqual([...ids.toReversed(), first.id]);
  });

  it('takes so many jobs of one client and in all, and no more', async () => {
    const { runner } = start(undefined, { quota: { inAll: 3, perOwner: 2 } });
    const submit = (owner: string) => runner.submit('count', { steps: 1, stepwise: true }, { owner });
    const first = await submit('anna');
    await submit('anna');
    await expect(submit('anna')).rejects.toMatchObject({ code: 'too_many_jobs', details: { limit: 2, owner: 'anna' } });
    await submit('ben');
    await expect(submit('cem')).rejects.toMatchObject({ code: 'too_many_jobs', details: { limit: 3 } });
    runner.cancel(first.id);
    await runner.result(first.id).catch(() => {});
    await expect(submit('anna')).resolves.toMatchObject({ owner: 'anna' });
  });
});

describe('forgetting', () => {
  it('removes a job that has ended with its log and folder, and none that has not', async () => {
    const started = start();
    const { runner, folder } = started;
    const { id } = await runner.submit('count', { steps: 2, failAt: 2 });
    await runner.result(id).catch(() => {});
    expect(existsSync(join(folder, 'work', id))).toBe(true);
    const waiting = await runner.submit('count', { steps: 1, stepwise: true });
    await expect(runner.remove(waiting.id)).rejects.toMatchObject({ code: 'wrong_state' });
    await runner.remove(id);
    expect(existsSync(join(folder, 'work', id))).toBe(false);
    expect(() => runner.get(id)).toThrow(/\[job_not_found\]/);
    expect(started.store.events(id, { from: 1, limit: 9, progressFrom: 0 })).toEqual([]);
  });

  it('removes what is too old or too much at the start, and folders that nobody knows', async () => {
    let nowMs = 1e12;
    const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => performance.now() };
    const before = start(undefined, {}, clock);
    const ids: string[] = [];
    for (let job = 0; job < 5; job++) {
      const { id } = await before.runner.submit('count', { steps: 2, failAt: 2 });
      await before.runner.result(id).catch(() => {});
      ids.push(id);
      nowMs += 1000;
    }
    await before.runner.stop();
    before.store.close();
    open.splice(0);
    mkdirSync(join(before.folder, 'work', 'stray'));
    nowMs = 1e12 + 10_500;
    // The first ended 10.5 s ago, the second 9.5 s ago, and so on; only the newest three may stay anyway.
    const after = start(before.folder, { retention: { maxAgeMs: 8000, maxJobs: 2 } }, clock);
    expect(after.runner.list([], 10).map(({ id }) => id)).toEqual([ids[4], ids[3]]);
    await after.runner.stop();
    expect(readdirSync(join(before.folder, 'work')).sort()).toEqual([ids[3], ids[4]].sort());
  });
});

describe('a job that takes its process down', () => {
  it('is parked after three deaths, says why, and starts to count anew when it is resumed', async () => {
    let current = start();
    const { id } = await current.runner.submit('count', { steps: 2, stepwise: true });
    for (let death = 1; death <= 2; death++) {
      await until(current, id, isState('RUNNING'), current.runner.get(id).lastSequence);
      kill(current);
      current = start(current.folder);
      expect(current.runner.get(id).crashes).toBe(death);
    }
    await until(current, id, isState('RUNNING'), current.runner.get(id).lastSequence);
    kill(current);
    current = start(current.folder);
    expect(current.runner.get(id)).toMatchObject({ state: 'PAUSED', crashes: 3, error: { code: 'crash_loop' } });
    expect(current.runner.get(id).error?.message).toContain('died 3 times');
    current.gate.advance(9);
    current.runner.resume(id);
    await current.runner.result(id);
    expect(current.runner.get(id)).toMatchObject({ state: 'SUCCEEDED', crashes: 0 });
    expect(current.runner.get(id).error).toBeUndefined();
  });

  it('does not count the orderly end of a process', async () => {
    let current = start();
    const { id } = await current.runner.submit('count', { steps: 2, stepwise: true });
    for (let stop = 0; stop < 4; stop++) {
      await until(current, id, isState('RUNNING'), current.runner.get(id).lastSequence);
      await current.runner.stop();
      current.store.close();
      open.splice(0);
      current = start(current.folder);
    }
    expect(current.runner.get(id).crashes).toBe(0);
  });
});

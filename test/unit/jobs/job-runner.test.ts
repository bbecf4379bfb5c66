// The runner: order of events, queueing, cancelling, orphans of an ended process, and names that two jobs want.
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type JobEvent, JobRunner, type JobRunnerOptions, JobStore, type RegisteredHandler } from '#jobs';
import { temporaryFolder } from '#test/temporary';
import { countHandler, Gate } from '#test/trivial-job';

const open: { readonly runner: JobRunner; readonly store: JobStore }[] = [];

async function start(
  handlers: readonly RegisteredHandler[],
  folder?: string,
  options: Partial<JobRunnerOptions> = {},
): Promise<{ runner: JobRunner; store: JobStore; folder: string }> {
  const home = folder ?? temporaryFolder();
  const store = JobStore.open(join(home, 'jobs.db'));
  const runner = JobRunner.start({ store, handlers, workFolder: join(home, 'work'), flushMs: 1, heartbeatMs: 0, ...options });
  open.push({ runner, store });
  return { runner, store, folder: home };
}

/** What a killed process leaves: the file is let go, nothing is written. */
async function crash(store: JobStore): Promise<void> {
  store.close();
}

async function collect(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

async function until(runner: JobRunner, id: string, state: string): Promise<void> {
  for await (const event of runner.watch(id, 1)) if (event.kind === 'state' && event.state === state) return;
  throw new Error(`job ${id} ended as ${runner.get(id).state}`);
}

afterEach(async () => {
  for (const { runner, store } of open.splice(0)) {
    await runner.stop().catch(() => {});
    store.close();
  }
});

describe('JobRunner', () => {
  it('logs state, progress, result and state in order, with sequence numbers without gaps', async () => {
    const { runner } = await start([countHandler()]);
    const { id } = await runner.submit('count', { steps: 3 });
    const events = await collect(runner.watch(id, 1));
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    expect(events.map((event) => (event.kind === 'state' ? event.state : event.kind))).toEqual([
      'QUEUED',
      'RUNNING',
      'progress',
      'progress',
      'progress',
      'result',
      'SUCCEEDED',
    ]);
    expect(runner.get(id)).toMatchObject({ state: 'SUCCEEDED', result: { counted: 3 }, attempts: 1 });
  });

  it('gives a watcher that comes back exactly what it has not seen', async () => {
    const gate = new Gate();
    const { runner } = await start([countHandler({ gate })]);
    const { id } = await runner.submit('count', { steps: 20, stepwise: true });
    gate.advance(7);
    const seen: JobEvent[] = [];
    for await (const event of runner.watch(id, 1)) {
      seen.push(event);
      if (event.kind === 'progress' && event.progress.step === 7) break;
    }
    gate.advance(13);
    await runner.result(id);
    const rest = await collect(runner.watch(id, seen.length + 1));
    expect([...seen, ...rest].map(({ sequence }) => sequence)).toEqual(Array.from({ length: 24 }, (_, index) => index + 1));
  });

  it('thins progress for a live watcher that falls behind, and nothing else', async () => {
    const gate = new Gate();
    const { runner } = await start([countHandler({ gate })], undefined, { largestLag: 10 });
    const { id } = await runner.submit('count', { steps: 300, stepwise: true });
    const watch = runner.watch(id, 1);
    const first = await watch.next();
    await watch.next(); // RUNNING
    gate.advance(1);
    await watch.next(); // the history ends here
    gate.advance(299);
    await runner.result(id);
    const rest = await collect(watch);
    expect(first.value).toMatchObject({ kind: 'state', state: 'QUEUED' });
    expect(rest.length).toBeLessThan(200);
    expect(rest.slice(-3).map(({ kind }) => kind)).toEqual(['progress', 'result', 'state']);
    expect(rest.at(-3)).toMatchObject({ progress: { step: 300, total: 300 } });
    const whole = await collect(runner.watch(id, 1));
    expect(whole).toHaveLength(304); // who comes late gets everything
  });

  it('runs one job on the device at a time and jobs without it beside', async () => {
    const gate = new Gate();
    const { runner } = await start([countHandler({ gate }), countHandler({ kind: 'host', usesDevice: false })]);
    const first = await runner.submit('count', { steps: 1, stepwise: true });
    const second = await runner.submit('count', { steps: 1, stepwise: true });
    const beside = await runner.submit('host', { steps: 1 });
    await runner.result(beside.id);
    expect([runner.get(first.id).state, runner.get(second.id).state]).toEqual(['RUNNING', 'QUEUED']);
    gate.advance(2);
    await runner.result(second.id);
    expect(runner.get(first.id).state).toBe('SUCCEEDED');
  });

  it('cancels a waiting job at once and a running one through its signal, and keeps ended ones', async () => {
    const gate = new Gate();
    const { runner } = await start([countHandler({ gate })]);
    const running = await runner.submit('count', { steps: 2, stepwise: true });
    const waiting = await runner.submit('count', { steps: 2, stepwise: true });
    await until(runner, running.id, 'RUNNING');
    expect(runner.cancel(waiting.id).state).toBe('CANCELLED');
    expect(runner.cancel(running.id).state).toBe('CANCELLING');
    await expect(runner.result(running.id)).rejects.toMatchObject({ code: 'cancelled' });
    expect(runner.get(running.id).state).toBe('CANCELLED');
    expect(runner.cancel(running.id).state).toBe('CANCELLED');
    const events = await collect(runner.watch(running.id, 1));
    expect(events.slice(-3).map((event) => (event.kind === 'state' ? event.state : event.kind))).toEqual([
      'CANCELLING',
      'error',
      'CANCELLED',
    ]);
  });

  it('ends a job that throws as FAILED with its code, and goes on with the next', async () => {
    const { runner } = await start([countHandler()]);
    const bad = await runner.submit('count', { steps: 3, failAt: 2 });
    const good = await runner.submit('count', { steps: 1 });
    await runner.result(good.id);
    expect(runner.get(bad.id)).toMatchObject({ state: 'FAILED', error: { code: 'bad_data', details: { row: 2 } } });
  });

  it('refuses a second job that writes the same name until the first has ended', async () => {
    const gate = new Gate();
    const { runner } = await start([countHandler({ gate })]);
    const first = await runner.submit('count', { steps: 1, stepwise: true, target: 'half' });
    await expect(runner.submit('count', { steps: 1, target: 'half' })).rejects.toMatchObject({
      code: 'name_taken',
      details: { jobId: first.id },
    });
    gate.advance();
    await runner.result(first.id);
    await expect(runner.submit('count', { steps: 1, target: 'half' })).resolves.toMatchObject({ state: 'QUEUED' });
  });

  it('refuses wrong specs and unknown kinds before anything is queued', async () => {
    const { runner, store } = await start([countHandler()]);
    await expect(runner.submit('count', {})).rejects.toMatchObject({ code: 'invalid_argument', details: { field: 'steps' } });
    await expect(runner.submit('paint', {})).rejects.toMatchObject({ code: 'invalid_argument' });
    expect(store.list([], 10)).toEqual([]);
  });

  it('resumes a job whose process died from its work folder, and fails one that cannot resume', async () => {
    const gate = new Gate();
    const handlers = (withGate: Gate): RegisteredHandler[] => [
      countHandler({ gate: withGate, canResume: true }),
      countHandler({ kind: 'once', gate: withGate, usesDevice: false }),
    ];
    const before = await start(handlers(gate));
    const resumable = await before.runner.submit('count', { steps: 5, stepwise: true });
    gate.advance(2);
    for await (const event of before.runner.watch(resumable.id, 1)) if (event.kind === 'progress' && event.progress.step === 2) break;
    const once = await before.runner.submit('once', { steps: 5, stepwise: true });
    await until(before.runner, once.id, 'RUNNING');
    const seen = before.runner.get(resumable.id).lastSequence;
    await crash(before.store);
    open.splice(0);

    const later = new Gate();
    later.advance(10);
    const after = await start(handlers(later), before.folder);
    await expect(after.runner.result(resumable.id)).resolves.toEqual({ counted: 5, firstStep: 2 });
    expect(after.runner.get(resumable.id).attempts).toBe(2);
    expect(after.runner.get(once.id)).toMatchObject({ state: 'FAILED', error: { code: 'interrupted' } });
    const rest = await collect(after.runner.watch(resumable.id, seen + 1));
    expect(rest.map(({ sequence }) => sequence)).toEqual(rest.map((_, index) => seen + 1 + index));
  });

  it('puts a resumable job back when it is stopped in order, and takes no more jobs', async () => {
    const gate = new Gate();
    const { runner, store } = await start([countHandler({ gate, canResume: true })]);
    const { id } = await runner.submit('count', { steps: 5, stepwise: true });
    await until(runner, id, 'RUNNING');
    await runner.stop();
    expect(store.get(id).state).toBe('QUEUED');
    await expect(runner.submit('count', { steps: 1 })).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('does not open a store that another process works with', async () => {
    const { folder } = await start([countHandler()]);
    expect(() => JobStore.open(join(folder, 'jobs.db'))).toThrow(/\[store_in_use\]/);
  });
});

// Following a job over a connection that breaks: a client that is cut off a hundred times and comes back gets every event once, in order.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { AthanorClient } from '#server';
import { temporaryFolder } from '#test/temporary';
import { startServer } from '../../src/cli/compose.ts';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

describe('a watched job', () => {
  it('tells a client that is cut off 100 times every event exactly once, in order', async () => {
    const server = await startServer({ store: temporaryFolder(), address: '127.0.0.1:0', threads: 1 });
    const target = `127.0.0.1:${server.server.port}`;
    const first = new AthanorClient(target);
    try {
      await first.unary(first.protocol.model.Import, { name: 'model', path: fixture('models/stories260K') });
      const settings = { steps: 300, batchSize: 1, sequenceLength: 16, checkpointEvery: 50 };
      const data = { inlineText: readFileSync(fixture('text/distill.txt')).subarray(0, 4000) };
      const { job } = await first.unary(first.protocol.job.Submit, {
        spec: { distill: { student: 'model', name: 'student', data, settings } },
      });
      const jobId = job?.id ?? '';
      const random = new Random(3);
      const seen: number[] = [];
      const states: string[] = [];
      for (let cuts = 0; states.at(-1) !== 'JOB_STATE_SUCCEEDED'; cuts++) {
        // The first hundred connections break after a few events, some before the first.
        let left = cuts < 100 ? random.integer(5) : Number.POSITIVE_INFINITY;
        const client = new AthanorClient(target);
        const events = client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: (seen.at(-1) ?? 0) + 1 });
        try {
          while (left-- > 0) {
            const { value, done } = await events.next();
            if (done === true) break;
            seen.push(value.event?.sequence ?? 0);
            if (value.event?.state) states.push(value.event.state.state);
          }
        } finally {
          client.close();
          await events.return(undefined);
        }
      }
      expect(seen).toEqual(seen.map((_, index) => index + 1));
      expect(states).toEqual(['JOB_STATE_QUEUED', 'JOB_STATE_RUNNING', 'JOB_STATE_SUCCEEDED']);
      const { job: ended } = await first.unary(first.protocol.job.Get, { jobId });
      expect(ended?.lastSequence).toBe(seen.length);
      expect(seen.length).toBeGreaterThan(300);
    } finally {
      first.close();
      await server.stop({ graceMs: 100 });
    }
  });
});

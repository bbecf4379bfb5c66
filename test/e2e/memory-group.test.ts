// A server in a control group with little memory: jobs that do not fit are refused by name, and the kernel never has to end a process.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { AthanorClient } from '#server';
import { makeMemoryGroup } from '#test/memory-group';
import { startServeProcess } from '#test/serve-process';
import { temporaryFolder } from '#test/temporary';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const text = readFileSync(fixture('text/distill.txt'));
const data = { inlineText: Buffer.concat(Array.from({ length: 8 }, () => text)) };
const MiB = 2 ** 20;

async function ended(client: AthanorClient, spec: object) {
  const { job } = await client.unary(client.protocol.job.Submit, { spec });
  const jobId = job?.id ?? '';
  for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: 1 }))
    if (event?.state?.state === 'JOB_STATE_PAUSED') break;
  return (await client.unary(client.protocol.job.Get, { jobId })).job;
}

describe('in a control group with a memory limit', () => {
  for (const isolation of ['process', 'none'] as const)
    it(`jobs of every size end or are refused, and nothing is killed (isolation: ${isolation})`, async (context) => {
      const group = makeMemoryGroup(1400 * MiB);
      if (group === undefined) return context.skip('no control group with a memory limit can be made here');
      const server = await startServeProcess(temporaryFolder(), ['--isolation', isolation], {}, group.launch);
      const client = new AthanorClient(server.target);
      try {
        await client.unary(client.protocol.model.Import, { name: 'm', path: fixture('models/stories260K') });
        const ends: string[] = [];
        for (const batchSize of [2, 24, 64, 256]) {
          const settings = { steps: 2, batchSize, sequenceLength: 256, checkpointEvery: 0 };
          const distill = { student: 'm', teacher: 'm', name: `s${batchSize}`, data, settings };
          const { state = '', error } = (await ended(client, { distill })) ?? {};
          ends.push(state);
          if (state === 'JOB_STATE_FAILED') {
            expect(error?.code).toBe('insufficient_memory');
            // What fits depends on what the process holds already, which differs between machines: a remedy is there in any case.
            expect(error?.message).toMatch(/[\d.]+ [MG]iB is the limit.*(What would fit: \S|give the server at least [\d.]+ [MG]iB)/);
          }
        }
        expect(ends[0]).toBe('JOB_STATE_SUCCEEDED');
        expect(ends.slice(2)).toEqual(['JOB_STATE_FAILED', 'JOB_STATE_FAILED']);
        expect(group.kills()).toBe(0);
        const { ready } = await client.unary(client.protocol.openInference.ServerReady, {});
        expect(ready).toBe(true);
      } finally {
        client.close();
        await server.end('SIGTERM');
        group.remove();
      }
    });
});

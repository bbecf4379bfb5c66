// Memory of jobs that have no plan of their own: worked out, refused with what would do, and measured.
import { describe, expect, it } from 'vitest';
import { quietContext, silentLogger } from '#base';
import type { JobHandler } from '#jobs';
import { temporaryFolder } from '#test/temporary';
import { importBytes, measured } from '../../../src/jobs/measured-handler.ts';

const MiB = 2 ** 20;

function taking(bytes: number): JobHandler<{ readonly bytes: number }, { readonly taken: number }> {
  return {
    kind: 'taking',
    usesDevice: false,
    canResume: true,
    parse: () => ({ bytes }),
    names: () => ({ source: '', target: '' }),
    paths: () => [],
    async run({ bytes: wanted }) {
      const held = Buffer.alloc(wanted, 1);
      await new Promise((resolve) => setTimeout(resolve, 150));
      return { taken: held.length };
    },
  };
}

describe('a measured job', () => {
  const context = { ...quietContext, jobId: 'j', workFolder: '', logger: silentLogger };

  it('says what was expected and what it took', async () => {
    const reports: unknown[] = [];
    const before = process.memoryUsage.rss();
    const handler = measured(taking(200 * MiB), async ({ bytes }) => bytes);
    const { taken, memory } = await handler.run({ bytes: 200 * MiB }, { ...context, report: (progress) => reports.push(progress) });
    expect(taken).toBe(200 * MiB);
    expect(memory).toMatchObject({ phase: 'taking' });
    expect(memory.peakBytes - before).toBeGreaterThan(190 * MiB);
    expect(memory.estimatedPeakBytes - before).toBeGreaterThan(200 * MiB);
    expect(memory.estimatedPeakBytes - before).toBeLessThan(300 * MiB);
    expect(reports[0]).toMatchObject({ phase: 'plan', item: 'taking', metrics: { limitBytes: memory.limitBytes } });
  });

  it('is refused before it takes anything where it does not fit, with what would', async () => {
    const limit = process.memoryUsage.rss() + 100 * MiB;
    let began = false;
    const run = async (): Promise<{ taken: number }> => {
      began = true;
      return { taken: 0 };
    };
    const handler = measured({ ...taking(0), run }, async () => 200 * MiB, { memoryLimitBytes: limit });
    await expect(handler.run({ bytes: 0 }, context)).rejects.toThrow(
      /insufficient_memory.*taking: about .* are needed at the peak.*is the limit\. Unload other models, or give the server at least/,
    );
    expect(began).toBe(false);
  });

  it('leaves a folder that is none to whoever reads it', async () => {
    expect(await importBytes(`${temporaryFolder()}/none`)).toBe(0);
  });
});

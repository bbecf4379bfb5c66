// Jobs whose memory is worked out before they start, refused where it does not fit, and measured.
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { insufficientMemory } from './insufficient-memory.ts';
import type { JobHandler } from './job.ts';
import { activationBytes, memoryLimitBytes, PeakMemory, slackBytes } from './memory-plan.ts';
import type { MemoryReport } from './results.ts';
import type { ModelSize } from './training-memory.ts';

export interface MeasuredOptions {
  /** Bytes that the process may hold; that of the machine or its control group when absent or larger. */
  readonly memoryLimitBytes?: number;
}

/**
 * The same kind of job with its memory in its result.
 *
 * @param neededBytes - at the peak, beside what the process holds already; may throw what the work would
 */
export function measured<Spec, Result extends object>(
  handler: JobHandler<Spec, Result>,
  neededBytes: (spec: Spec) => Promise<number>,
  options: MeasuredOptions = {},
): JobHandler<Spec, Result & { readonly memory: MemoryReport }> {
  const { kind } = handler;
  return {
    ...handler,
    async run(spec, context) {
      const limitBytes = memoryLimitBytes(options.memoryLimitBytes);
      const heldBytes = process.memoryUsage.rss();
      const estimatedPeakBytes = Math.ceil(heldBytes + slackBytes + (await neededBytes(spec)));
      context.report({ phase: 'plan', item: kind, metrics: { estimatedPeakBytes, limitBytes } });
      if (estimatedPeakBytes > limitBytes)
        throw insufficientMemory({ place: kind, neededBytes: estimatedPeakBytes, residentBytes: heldBytes, limitBytes });
      const peak = new PeakMemory();
      try {
        const result = await handler.run(spec, context);
        return { ...result, memory: { estimatedPeakBytes, peakBytes: peak.peakBytes, limitBytes, phase: kind } };
      } finally {
        peak.end();
      }
    },
  };
}

/** A model that runs forward over [batch, length] tokens: its weights on both sides, activations, and the answers of two batches. */
export function passBytes({ config, hostBytes, deviceBytes }: ModelSize, batch: number, wantedLength: number): number {
  const length = Math.min(wantedLength, config.maxPositions);
  const answers = 2 * 4 * batch * length * config.vocabularySize;
  return hostBytes + deviceBytes + activationBytes(config, batch, length, false) + answers;
}

const weightFiles = new Set(['.safetensors', '.bin']);
/** Stored in 16 bits, weights take twice that on the device, where the result is run once. */
const copiesOfWeights = 3;

/** A folder of weights that is read, stored and run once. What is no folder is for the reading to refuse. */
export async function importBytes(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = names.filter((name) => weightFiles.has(extname(name))).map((name) => stat(join(folder, name)).catch(() => undefined));
  return copiesOfWeights * (await Promise.all(sizes)).reduce((sum, found) => sum + (found?.size ?? 0), 0);
}

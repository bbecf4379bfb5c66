// What a teacher writes for one training, written down once: a file of the job that a resumed attempt goes on with.
import { appendFile, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, type OperationContext, throwIfCancelled } from '#base';
import { otherWork } from '../work-fingerprint.ts';

export interface TargetPlace {
  /** Of the job. */
  readonly folder: string;
  /** Of everything that decides the targets. */
  readonly fingerprint: string;
}

export interface TargetWork {
  /** Targets in all. */
  readonly count: number;
  /** Targets that are made together; also what a stopped job does again at most. */
  readonly perPart: number;
  /** Makes those from `start` up to `end`. */
  make(this: void, start: number, end: number): Promise<readonly Int32Array[]>;
}

const fileName = 'targets.jsonl';

/**
 * All targets, of which those that an earlier attempt made are read.
 *
 * They lie in `targets.jsonl`, a line of token ids each behind a line with the fingerprint. A part is made whole or again, so that what is made together
 * does not depend on where a job stopped.
 *
 * @throws AppError `cancelled` | `resume_mismatch` for targets of another teacher, data or settings, and what making them throws
 */
export async function keptTargets(
  { folder, fingerprint }: TargetPlace,
  { count, perPart, make }: TargetWork,
  context: OperationContext,
): Promise<Int32Array[]> {
  const path = join(folder, fileName);
  const targets = await readTargets(path, fingerprint, { count, perPart });
  while (targets.length < count) {
    throwIfCancelled(context.signal);
    const made = await make(targets.length, Math.min(count, targets.length + perPart));
    await appendFile(path, made.map(lineOf).join(''));
    targets.push(...made);
    context.report({ phase: 'targets', step: targets.length, total: count });
  }
  return targets;
}

function lineOf(ids: Int32Array): string {
  return `${JSON.stringify(Array.from(ids))}\n`;
}

/** Whole parts of an earlier attempt; what was cut off goes. */
async function readTargets(path: string, fingerprint: string, { count, perPart }: Omit<TargetWork, 'make'>): Promise<Int32Array[]> {
  const head = `${JSON.stringify({ fingerprint })}\n`;
  const text = await readFile(path, 'utf8').catch(() => '');
  if (text === '') {
    await appendFile(path, head);
    return [];
  }
  if (!text.startsWith(head)) throw new AppError('resume_mismatch', `${fileName}: was made ${otherWork}. Start a new job.`);
  const lines = text
    .slice(head.length, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '');
  const whole = lines.length >= count ? lines.slice(0, count) : lines.slice(0, lines.length - (lines.length % perPart));
  const kept = head + whole.map((line) => `${line}\n`).join('');
  if (kept.length < text.length) await truncate(path, Buffer.byteLength(kept));
  return whole.map((line) => Int32Array.from(JSON.parse(line) as number[]));
}

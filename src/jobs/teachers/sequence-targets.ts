// Sequence-level distillation: the teacher's own targets for a corpus's sources, written down once.
import { appendFile, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, at, type OperationContext, throwIfCancelled } from '#base';
import type { Engine } from '#engine';
import type { Model } from '#models';
import { SequenceGenerator } from '#serve';
import type { PairCorpus, TokenPair } from '#text';
import { otherWork } from '../work-fingerprint.ts';

export interface SequenceTargetSettings {
  readonly beams: number;
  readonly maxTokens: number;
}

/** Sources that are decoded together; also what a stopped job does again at most. */
const sourcesPerPart = 32;

/**
 * The corpus with the teacher's best target for every source in place of the data's; a source with several targets stays once.
 *
 * Finished targets lie in `path`, a line of token ids each, so that a job that goes on generates only the others. A target that
 * reached `maxTokens` has no end token: the student must not learn to stop there.
 *
 * @throws AppError `cancelled` | `resume_mismatch` for targets of another teacher, data or settings; as generating
 * @see Kim and Rush, "Sequence-Level Knowledge Distillation", EMNLP 2016, §3.2
 */
export async function teacherTargets(
  corpus: PairCorpus,
  teacher: Model,
  settings: SequenceTargetSettings,
  { folder, fingerprint, engine }: { readonly folder: string; readonly fingerprint: string; readonly engine: Engine },
  context: OperationContext,
): Promise<PairCorpus> {
  const sources = [...new Map(corpus.pairs.map(({ source }) => [source.join(' '), source])).values()];
  const path = join(folder, 'targets.jsonl');
  const targets = await readTargets(path, fingerprint);
  if (targets.length < sources.length) {
    const generator = await SequenceGenerator.create(engine, teacher);
    try {
      while (targets.length < sources.length) {
        throwIfCancelled(context.signal);
        const part = sources.slice(targets.length, targets.length + sourcesPerPart);
        const found = await generator.generate(part, { ...settings, batchSize: sourcesPerPart }, { ...context, report: () => {} });
        const made = found.map((best) => Int32Array.from(at(best, 0).tokens));
        await appendFile(path, made.map((ids) => `${JSON.stringify(Array.from(ids))}\n`).join(''));
        targets.push(...made);
        context.report({ phase: 'targets', step: targets.length, total: sources.length });
      }
    } finally {
      await generator.dispose();
    }
  }
  const pairs = sources.map((source, index): TokenPair => ({ source, target: at(targets, index) }));
  return { ...corpus, pairs };
}

/** Whole lines of an earlier attempt; a line that was cut off goes. */
async function readTargets(path: string, fingerprint: string): Promise<Int32Array[]> {
  const head = `${JSON.stringify({ fingerprint })}\n`;
  const text = await readFile(path, 'utf8').catch(() => '');
  if (text === '') {
    await appendFile(path, head);
    return [];
  }
  if (!text.startsWith(head)) throw new AppError('resume_mismatch', `targets.jsonl: was made ${otherWork}. Start a new job.`);
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  if (whole.length < text.length) await truncate(path, Buffer.byteLength(whole));
  const lines = whole.slice(head.length).split('\n');
  return lines.filter((line) => line !== '').map((line) => Int32Array.from(JSON.parse(line) as number[]));
}

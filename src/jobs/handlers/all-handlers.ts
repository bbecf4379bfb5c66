// The table of job kinds: one row a kind.
import type { Engine } from '#engine';
import { defaultWindow, tokensPerRun } from '#evaluate';
import { type RegisteredHandler, registerHandler } from '../job.ts';
import { importBytes, measured, passBytes } from '../measured-handler.ts';
import type { ModelHub } from '../model-hub.ts';
import type { EvaluationReport } from '../results.ts';
import { modelSize } from '../training-memory.ts';
import { type CompressOptions, compressHandler } from './compress.ts';
import { type DistillOptions, distillHandler } from './distill.ts';
import { evaluateHandler } from './evaluate.ts';
import { exportHandler } from './export.ts';
import { importHandler } from './import.ts';
import { defaultSequence, recordHandler } from './record.ts';

export type HandlerOptions = CompressOptions & DistillOptions;

export function allHandlers(
  hub: ModelHub,
  engine: Engine,
  ledger: { saveEvaluation(hash: string, report: EvaluationReport): void | Promise<void> },
  options: HandlerOptions = {},
): readonly RegisteredHandler[] {
  const evaluation = evaluateHandler(hub, engine, (hash, report) => ledger.saveEvaluation(hash, report));
  /** Models that run forward side by side over so many tokens at a time. */
  const passes = async (names: readonly string[], tokens: number, length = defaultWindow): Promise<number> => {
    const sizes = await Promise.all(names.filter((name) => name !== '').map(async (name) => modelSize(await hub.get(name))));
    return sizes.reduce((sum, size) => sum + passBytes(size, Math.max(1, Math.floor(tokens / Math.max(1, length))), length), 0);
  };
  return [
    registerHandler(measured(importHandler(hub), ({ path }) => importBytes(path), options)),
    registerHandler(compressHandler(hub, engine, options)),
    registerHandler(distillHandler(hub, engine, options)),
    registerHandler(
      measured(evaluation, ({ model, teacher, settings }) => passes([model, teacher], tokensPerRun, settings.window), options),
    ),
    registerHandler(measured(exportHandler(hub), ({ model }) => passes([model], 0, 0), options)),
    registerHandler(
      measured(
        recordHandler(hub, engine),
        ({ teacher, settings: { batchSize, sequenceLength = defaultSequence } }) =>
          passes([teacher], batchSize * sequenceLength, sequenceLength),
        options,
      ),
    ),
  ];
}

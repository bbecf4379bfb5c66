// The table of job kinds: one row a kind.
import type { Engine } from '#engine';
import { type RegisteredHandler, registerHandler } from '../job.ts';
import type { ModelHub } from '../model-hub.ts';
import type { EvaluationReport } from '../results.ts';
import { type CompressOptions, compressHandler } from './compress.ts';
import { type DistillOptions, distillHandler } from './distill.ts';
import { evaluateHandler } from './evaluate.ts';
import { exportHandler } from './export.ts';
import { importHandler } from './import.ts';
import { recordHandler } from './record.ts';

export type HandlerOptions = CompressOptions & DistillOptions;

export function allHandlers(
  hub: ModelHub,
  engine: Engine,
  ledger: { saveEvaluation(hash: string, report: EvaluationReport): void | Promise<void> },
  options: HandlerOptions = {},
): readonly RegisteredHandler[] {
  return [
    registerHandler(importHandler(hub)),
    registerHandler(compressHandler(hub, engine, options)),
    registerHandler(distillHandler(hub, engine, options)),
    registerHandler(evaluateHandler(hub, engine, (hash, report) => ledger.saveEvaluation(hash, report))),
    registerHandler(exportHandler(hub)),
    registerHandler(recordHandler(hub, engine)),
  ];
}

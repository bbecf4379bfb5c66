// The table of job kinds: one row a kind.
import type { Engine } from '#engine';
import { type RegisteredHandler, registerHandler } from '../job.ts';
import type { ModelHub } from '../model-hub.ts';
import type { ModelLedger } from '../model-ledger.ts';
import { type CompressOptions, compressHandler } from './compress.ts';
import { distillHandler } from './distill.ts';
import { evaluateHandler } from './evaluate.ts';
import { exportHandler } from './export.ts';
import { importHandler } from './import.ts';

export function allHandlers(
  hub: ModelHub,
  engine: Engine,
  ledger: ModelLedger,
  options: CompressOptions = {},
): readonly RegisteredHandler[] {
  return [
    registerHandler(importHandler(hub)),
    registerHandler(compressHandler(hub, engine, options)),
    registerHandler(distillHandler(hub, engine)),
    registerHandler(evaluateHandler(hub, engine, (hash, report) => ledger.saveEvaluation(hash, report))),
    registerHandler(exportHandler(hub)),
  ];
}

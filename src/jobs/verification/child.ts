// The fresh process: loads one artefact from its folder, runs it once, answers with its logits and ends.
import { AppError, quietContext } from '#base';
import { mapFile } from '#engine/onnx';
import { openEngine } from '#engine/open';
import { readArtefactFolder } from '#store';
import type { ChildAnswer, ChildRequest } from './fresh-process.ts';
import { probeAnswer } from './probe.ts';

async function answer({ folder, hash, device }: ChildRequest): Promise<ChildAnswer> {
  try {
    const { model } = await readArtefactFolder(folder, hash, quietContext.signal, mapFile);
    const engine = await openEngine({ device });
    return { kind: 'logits', logits: (await probeAnswer(engine, model, quietContext)).numbers };
  } catch (error) {
    return { kind: 'failed', message: AppError.from(error).message };
  }
}

process.once('message', (request: ChildRequest) => {
  void answer(request).then((reply) => process.send?.(reply, () => process.exit(0)));
});
// Those of a terminal or a service manager go to the whole group: whoever asked decides what becomes of us.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
// Whoever asked is gone.
process.once('disconnect', () => process.exit(1));
process.send?.({ kind: 'ready' } satisfies ChildAnswer);

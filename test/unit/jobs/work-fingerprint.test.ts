// Unfinished work is another's as soon as anything that decides its result is another.
import { expect, it } from 'vitest';
import { temporaryFolder } from '#test/temporary';
import { FolderCheckpoints } from '../../../src/jobs/checkpoints.ts';
import { workFingerprint } from '../../../src/jobs/work-fingerprint.ts';

const engine = { name: 'onnx', runtime: 'ONNX Runtime 1.30.0' };

it('is the same for the same parts, and another for other parts, another engine or another version of its runtime', () => {
  const all = [
    workFingerprint(engine, ['model', { steps: 3 }]),
    workFingerprint(engine, ['model', { steps: 4 }]),
    workFingerprint({ ...engine, runtime: 'ONNX Runtime 1.31.0' }, ['model', { steps: 3 }]),
    workFingerprint({ ...engine, name: 'reference' }, ['model', { steps: 3 }]),
  ];
  expect(new Set(all).size).toBe(all.length);
  expect(workFingerprint({ ...engine }, ['model', { steps: 3 }])).toBe(all[0]);
});

it('keeps a checkpoint from being taken up after the runtime was changed, and the error says what to do', async () => {
  const folder = temporaryFolder();
  const under = (runtime: string): FolderCheckpoints => new FolderCheckpoints(folder, workFingerprint({ ...engine, runtime }, ['model']));
  const progress = {
    step: 1,
    cursor: { epoch: 0, position: 0, randomState: [1, 2, 3, 4] as const },
    shownLoss: 1,
    recentLosses: [1],
    tokensSeen: 1,
  };
  await under('ONNX Runtime 1.30.0').save({ progress, tensors: new Map() });
  await expect(under('ONNX Runtime 1.30.0').load()).resolves.toMatchObject({ progress });
  await expect(under('ONNX Runtime 1.31.0').load()).rejects.toThrow(
    /resume_mismatch.*another version of athanor or of its runtime\. Start a new job/,
  );
});

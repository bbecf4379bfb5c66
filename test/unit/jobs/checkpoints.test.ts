// Checkpoints in a folder: what a killed process left behind does not stop the next one.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { float32 } from '#tensor';
import { temporaryFolder } from '#test/temporary';
import type { Checkpoint } from '#train';
import { FolderCheckpoints } from '../../../src/jobs/checkpoints.ts';

it('saves a step that a killed process had half-written, and reads it back', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'writing-12'));
  writeFileSync(join(folder, 'writing-12', 'state.safetensors'), 'half');
  const checkpoint: Checkpoint = {
    progress: { step: 12, cursor: { epoch: 0, position: 3, randomState: [1, 2, 3, 4] }, shownLoss: 2, recentLosses: [2] },
    tensors: new Map([['w', float32([2], [1, -2])]]),
  };
  const checkpoints = new FolderCheckpoints(folder, 'fingerprint');
  await checkpoints.save(checkpoint);
  expect(readdirSync(folder)).toEqual(['step-12']);
  expect(await checkpoints.load()).toEqual(checkpoint);
});

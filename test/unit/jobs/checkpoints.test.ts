// Checkpoints in a folder: what a killed process left behind does not stop the next one.
import { mkdirSync, readdirSync, readFileSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
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

const at = (step: number): Checkpoint => ({
  progress: {
    step,
    cursor: { epoch: 0, position: step, randomState: [1, 2, 3, 4] },
    shownLoss: 2,
    recentLosses: [2],
    scheme: { drawn: step },
  },
  tensors: new Map([['w', float32([2], [step, -2])]]),
});

function flip(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(bytes.length + offset) ^ 1, bytes.length + offset);
  writeFileSync(path, bytes);
}

describe('a damaged checkpoint', () => {
  const damages: readonly (readonly [string, (folder: string) => void])[] = [
    ['whose tensors have a flipped bit', (folder) => flip(join(folder, 'state.safetensors'), -3)],
    ['whose tensors are cut off', (folder) => truncateSync(join(folder, 'state.safetensors'), 20)],
    ['whose tensors are gone', (folder) => unlinkSync(join(folder, 'state.safetensors'))],
    [
      'whose progress says another number',
      (folder) => {
        const path = join(folder, 'progress.json');
        writeFileSync(path, readFileSync(path, 'utf8').replace('"position": 3', '"position": 4'));
      },
    ],
    ['whose progress is empty', (folder) => truncateSync(join(folder, 'progress.json'), 0)],
  ];
  it.each(damages)('%s gives way to the one before it', async (_, damage) => {
    const folder = temporaryFolder();
    const checkpoints = new FolderCheckpoints(folder, 'fingerprint');
    for (const step of [1, 2, 3]) await checkpoints.save(at(step));
    expect(readdirSync(folder).sort()).toEqual(['step-2', 'step-3']);
    damage(join(folder, 'step-3'));
    expect(await checkpoints.load()).toEqual(at(2));
    await checkpoints.save(at(3));
    expect(await checkpoints.load()).toEqual(at(3));
    damage(join(folder, 'step-3'));
    flip(join(folder, 'step-2', 'state.safetensors'), -3);
    await expect(checkpoints.load()).rejects.toMatchObject({ code: 'bad_artefact', message: expect.stringContaining('steps 3 and 2') });
  });

  it('is not mistaken for one of another run, which is refused', async () => {
    const folder = temporaryFolder();
    for (const step of [1, 2]) await new FolderCheckpoints(folder, 'fingerprint').save(at(step));
    await expect(new FolderCheckpoints(folder, 'another').load()).rejects.toMatchObject({ code: 'resume_mismatch' });
  });
});

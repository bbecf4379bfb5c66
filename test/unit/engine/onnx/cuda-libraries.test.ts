// The provider's file: one of another version is told apart before it is loaded.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '#test/temporary';
import { namesVersion } from '../../../../src/engine/onnx/cuda-libraries.ts';

it('knows the version of a provider wherever its file names it', () => {
  const folder = temporaryFolder();
  const file = (name: string, sizeBytes: number, position: number, text: string): string => {
    const bytes = Buffer.alloc(sizeBytes);
    bytes.write(text, position);
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  expect(namesVersion(file('right', 1000, 500, 'ORT 1.30.0'), '1.30.0')).toBe(true);
  expect(namesVersion(file('other', 1000, 500, 'ORT 1.29.1'), '1.30.0')).toBe(false);
  // Across the border of two pieces that are read, and behind it.
  expect(namesVersion(file('border', (1 << 24) + 100, (1 << 24) - 3, '1.30.0'), '1.30.0')).toBe(true);
  expect(namesVersion(file('behind', (1 << 24) + 100, (1 << 24) + 50, '1.30.0'), '1.30.0')).toBe(true);
  expect(namesVersion(file('empty', 0, 0, ''), '1.30.0')).toBe(false);
});

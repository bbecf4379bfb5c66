// Files from outside that are broken, hostile or huge: each is read, or refused by a named error, within a second and without keeping memory.
//
// CI tries a few hundred of each kind; ATHANOR_FUZZ_RUNS=25000 makes it a hundred thousand, ATHANOR_FUZZ_SEED begins elsewhere. What such a run finds
// goes into the corpus.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError, type ErrorCode } from '#base';
import { type FileKind, fileKinds } from './file-kinds.ts';
import { corpus, hostileFile } from './hostile-files.ts';

const runs = Number(process.env['ATHANOR_FUZZ_RUNS'] ?? 300);
const seed = Number(process.env['ATHANOR_FUZZ_SEED'] ?? 1);
/** Of the processor, so that a busy machine changes nothing. */
const mostSeconds = 1;

/** What came of a file: nothing, or the code of the error. Anything but a named error of this kind of file fails. */
function outcome({ read, codes }: FileKind, bytes: Buffer): ErrorCode | 'read' {
  const before = process.cpuUsage();
  let code: ErrorCode | 'read' = 'read';
  try {
    read(bytes);
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown;
    expect(codes, thrown.message).toContain(thrown.code);
    // Messages quote at most a part of a hostile file.
    expect(thrown.message.length).toBeLessThan(4000);
    code = thrown.code;
  }
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1e6, 'seconds').toBeLessThan(mostSeconds);
  return code;
}

function heldBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

describe.each(Object.entries(fileKinds))('files of the kind %s', (name, kind) => {
  const files = corpus(name);

  it.each(files.map(({ name: file, bytes }) => [file, bytes] as const))('reads or refuses %s of the corpus', (file, bytes) => {
    const found = outcome(kind, bytes);
    const isGood = name === 'config' ? found === 'config_mismatch' : found === 'read';
    if (file.startsWith('valid-')) expect(isGood).toBe(true);
  });

  it('are read, or refused by a named error, within a second and without keeping memory', () => {
    const before = heldBytes();
    fc.assert(
      fc.property(hostileFile(files, kind.framing), (bytes) => {
        outcome(kind, bytes);
      }),
      { numRuns: runs, seed, endOnFailure: true },
    );
    expect(heldBytes() - before).toBeLessThan(32 * 2 ** 20);
  });
});

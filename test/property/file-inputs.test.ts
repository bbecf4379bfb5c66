// Files from outside that are broken, hostile or huge: each is read, or refused by a named error, within a second and without keeping memory.
//
// CI tries a few hundred of each kind; ATHANOR_FUZZ_RUNS=25000 makes it a hundred thousand, ATHANOR_FUZZ_SEED begins elsewhere. What such a run finds
// goes into the corpus.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse as parseYamlText } from 'yaml';
import { AppError, type ErrorCode } from '#base';
import { parseRecipe } from '#compress';
import { tokenizerFromFiles } from '#text';
import { parseYaml } from '../../src/jobs/check-input.ts';
import { recipeMethods } from '../../src/jobs/distill-step.ts';
import { readHuggingFaceConfig } from '../../src/store/hugging-face/config.ts';
import { fitToNames, matchTensors } from '../../src/store/hugging-face/tensor-names.ts';
import { parseJson } from '../../src/store/json.ts';
import { headerLength, parseHeader } from '../../src/store/safetensors-header.ts';
import { corpus, type Framing, hostileFile } from './hostile-files.ts';

const runs = Number(process.env['ATHANOR_FUZZ_RUNS'] ?? 300);
const seed = Number(process.env['ATHANOR_FUZZ_SEED'] ?? 1);
/** Of the processor, so that a busy machine changes nothing. */
const mostSeconds = 1;

const json: Framing = { parse: (bytes) => JSON.parse(bytes.toString()) as unknown, frame: (text) => Buffer.from(text) };

interface Kind {
  readonly read: (bytes: Buffer) => unknown;
  readonly codes: readonly ErrorCode[];
  readonly framing: Framing;
}

const kinds: Readonly<Record<string, Kind>> = {
  safetensors: {
    read(bytes) {
      const length = headerLength(bytes.subarray(0, 8), bytes.length, 'model.safetensors');
      return parseHeader(bytes.subarray(8, 8 + length), bytes.length, 'model.safetensors');
    },
    codes: ['bad_safetensors'],
    framing: {
      parse(bytes) {
        try {
          return JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString()) as unknown;
        } catch {
          return undefined;
        }
      },
      frame(text) {
        const header = Buffer.from(text);
        const bytes = Buffer.alloc(8 + header.length + 22);
        bytes.writeBigUInt64LE(BigInt(header.length));
        header.copy(bytes, 8);
        return bytes;
      },
    },
  },
  config: {
    read(bytes) {
      const config = readHuggingFaceConfig(parseJson(bytes, 'bad_config', 'config.json'));
      return matchTensors(fitToNames(config, new Set()), []);
    },
    // A good configuration of no tensors lacks them all.
    codes: ['bad_config', 'unknown_architecture', 'config_mismatch'],
    framing: json,
  },
  tokenizer: {
    read(bytes) {
      const tokenizer = tokenizerFromFiles(new Map([['tokenizer.json', bytes]]));
      return tokenizer.decode(tokenizer.encode('The house, the houses\n', { addSpecialTokens: true }), { skipSpecialTokens: false });
    },
    codes: ['bad_tokenizer'],
    framing: json,
  },
  recipe: {
    read: (bytes) => parseRecipe(parseYaml(bytes.toString(), 'recipe'), recipeMethods),
    codes: ['bad_recipe'],
    framing: {
      parse(bytes) {
        try {
          return JSON.parse(JSON.stringify(parseYamlText(bytes.toString(), { maxAliasCount: 10, logLevel: 'error' }))) as unknown;
        } catch {
          return undefined;
        }
      },
      frame: (text) => Buffer.from(text),
    },
  },
};

/** What came of a file: nothing, or the code of the error. Anything but a named error of this kind of file fails. */
function outcome({ read, codes }: Kind, bytes: Buffer): ErrorCode | 'read' {
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

describe.each(Object.entries(kinds))('files of the kind %s', (name, kind) => {
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

// The kinds of files that come from outside: how each is read, what it may be refused with, and how its text lies in its bytes.
import { parse as parseYamlText } from 'yaml';
import type { ErrorCode } from '#base';
import { parseRecipe } from '#compress';
import { tokenizerFromFiles } from '#text';
import { parseYaml } from '../../src/jobs/check-input.ts';
import { recipeMethods } from '../../src/jobs/distill-step.ts';
import { readHuggingFaceConfig } from '../../src/store/hugging-face/config.ts';
import { fitToNames, matchTensors } from '../../src/store/hugging-face/tensor-names.ts';
import { parseJson } from '../../src/store/json.ts';
import { headerLength, parseHeader } from '../../src/store/safetensors-header.ts';
import type { Framing } from './hostile-files.ts';

const json: Framing = { parse: (bytes) => JSON.parse(bytes.toString()) as unknown, frame: (text) => Buffer.from(text) };

export interface FileKind {
  readonly read: (bytes: Buffer) => unknown;
  readonly codes: readonly ErrorCode[];
  readonly framing: Framing;
}

export const fileKinds: Readonly<Record<string, FileKind>> = {
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

// A real transliteration model of CTranslate2, against CTranslate2; and files that must be refused.
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { buildPairScoreGraph, modelInputs } from '#models';
import { generateSequences } from '#serve';
import { importCTranslate2 } from '#store';
import { type HostTensor, hostTensor, int64, toNumbers } from '#tensor';
import { describeWithShared } from '../../../support/shared.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

interface Golden {
  readonly target: string;
  readonly models: Readonly<
    Record<
      'fp32' | 'int16' | 'int8',
      readonly {
        readonly source: string;
        readonly greedy: string;
        readonly score: number;
        readonly beam: string;
        readonly beamScore: number;
        readonly logProbabilities: readonly number[];
      }[]
    >
  >;
}

const golden = JSON.parse(readFileSync(new URL('transliterations.json', import.meta.url), 'utf8')) as Golden;

describeWithShared(
  'importCTranslate2',
  (shared) => {
    const folder = (kind: string): string => join(shared, 'models/aren-transliteration', kind);
    let engine: Engine;
    beforeAll(async () => {
      engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
    });
    afterAll(() => engine.dispose());

    it.each(['fp32', 'int16', 'int8'] as const)('%s transliterates as CTranslate2 does', async (kind) => {
      const { model, sourceVocabulary, targetVocabulary } = await importCTranslate2(folder(kind));
      const cases = golden.models[kind];
      const sources = cases.map(({ source }) => [...source].map((letter) => sourceVocabulary.indexOf(letter)));
      const text = (tokens: readonly number[]): string =>
        tokens
          .map((token) => targetVocabulary[token])
          .join('')
          .replace('</s>', '');
      const greedy = await generateSequences(engine, model, sources, { maxTokens: 32 });
      expect(greedy.map(([best]) => text(best!.tokens))).toEqual(cases.map((each) => each.greedy));
      for (const [index, [best]] of greedy.entries()) expect(best!.score).toBeCloseTo(cases[index]!.score, 4);
      const beam = await generateSequences(engine, model, sources, { beams: 4, maxTokens: 32 });
      expect(beam.map(([best]) => text(best!.tokens))).toEqual(cases.map((each) => each.beam));
      for (const [index, [best]] of beam.entries()) expect(best!.score).toBeCloseTo(cases[index]!.beamScore, 4);
    });

    it('finds a given target as likely as CTranslate2 does, letter by letter', async () => {
      const { model, sourceVocabulary, targetVocabulary } = await importCTranslate2(folder('fp32'));
      const labels = [...golden.target, '</s>'].map((letter) => targetVocabulary.indexOf(letter));
      const program = await engine.compile(buildPairScoreGraph(model, { batch: 1, sourceLength: 'S', length: labels.length }));
      const weights: Readonly<Record<string, HostTensor>> = Object.fromEntries(modelInputs(model));
      for (const { source, logProbabilities } of golden.models.fp32) {
        const ids = [...source].map((letter) => sourceVocabulary.indexOf(letter));
        const inputs: Readonly<Record<string, HostTensor>> = {
          ...weights,
          source: int64([1, ids.length], ids),
          sourceMask: hostTensor('bool', [1, ids.length], new Uint8Array(ids.length).fill(1)),
          labels: int64([1, labels.length], labels),
        };
        const results = await program.run(Object.fromEntries(program.inputNames.map((name) => [name, inputs[name]!])));
        const found = toNumbers(results['negativeLogLikelihood']!.read());
        for (const [index, wanted] of logProbabilities.entries()) expect(-found[index]!).toBeCloseTo(wanted, 3);
        for (const buffer of Object.values(results)) buffer.release();
      }
      await program.release();
    });

    it('refuses a file that is cut off, of another version, or of another spec', async () => {
      const copy = join(temporaryFolder(), 'model');
      cpSync(folder('fp32'), copy, { recursive: true });
      const file = join(copy, 'model.bin');
      const bytes = readFileSync(file);
      const refused = async (changed: Uint8Array, code: string): Promise<void> => {
        writeFileSync(file, changed);
        await expect(importCTranslate2(copy)).rejects.toMatchObject({ code });
      };
      await refused(bytes.subarray(0, 5000), 'bad_weights');
      await refused(Buffer.concat([Buffer.of(9, 0, 0, 0), bytes.subarray(4)]), 'unsupported');
      await refused(Buffer.from(bytes.toString('latin1').replace('TransformerBase', 'TransformerBasf'), 'latin1'), 'unsupported');
      await expect(importCTranslate2(join(copy, 'nowhere'))).rejects.toMatchObject({ code: 'file_not_found' });
    });
  },
  ['models/aren-transliteration/fp32/model.bin'],
);

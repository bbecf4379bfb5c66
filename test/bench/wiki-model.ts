// The small Wikipedia model of the fixtures with its text: what benchmarks of quality start from.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { quietContext } from '#base';
import { type LayerReport, WindowCalibration } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateModel } from '#evaluate';
import type { Model } from '#models';
import { importHuggingFace } from '#store';
import { openText, type TokenCorpus, textFromStrings, tokenizeCorpus, tokenizerFromFiles, WindowSampler } from '#text';

export interface WikiModel {
  readonly engine: Engine;
  /** 7M parameters in 16-bit floats. */
  readonly model: Model;
  /** 1 MB of training text. */
  readonly corpus: TokenCorpus;
  readonly heldOut: TokenCorpus;
  readonly calibration: WindowCalibration;
  /** Over the held-out text in windows of 256 tokens that do not overlap. */
  bitsPerByte(model: Model): Promise<number>;
}

export interface WikiOptions {
  /** Windows of calibration text. Default 128. */
  readonly windows?: number;
  /** Tokens of each. Default 256. */
  readonly length?: number;
  /** Files of training text. Default: that of the fixtures. */
  readonly texts?: readonly string[];
  /** Characters of held-out text. Default all. */
  readonly heldOutCharacters?: number;
}

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
export const wikiModelFolder = fixture('models/wiki-gpt2-7m');
/** One thread for each of two studies at a time is more work an hour than two threads for one. */
export const benchThreads = Number(process.env['ATHANOR_BENCH_THREADS'] ?? 2);
const batch = 8;
const window = 256;

/** The same windows for every method that looks at activations. */
export async function openWikiModel(options: WikiOptions = {}): Promise<WikiModel> {
  const { windows = 128, length = 256, texts = [fixture('text/distill.txt')], heldOutCharacters } = options;
  const engine = await createOnnxEngine({ device: 'cpu', threads: benchThreads });
  const { model, tokenizerFiles } = await importHuggingFace(wikiModelFolder);
  const tokenizer = tokenizerFromFiles(tokenizerFiles);
  const corpus = await tokenizeCorpus(await openText(texts), tokenizer, quietContext);
  const text = readFileSync(fixture('text/evaluate.txt'), 'utf8').slice(0, heldOutCharacters);
  const heldOut = await tokenizeCorpus(textFromStrings([text]), tokenizer, quietContext);
  const calibration = new WindowCalibration(engine, async function* () {
    const sampler = new WindowSampler(corpus.tokens, { batch, window: length, seed: 1 });
    for (let drawn = 0; drawn < windows; drawn += batch) yield sampler.next().tokens;
  });
  return {
    engine,
    model,
    corpus,
    heldOut,
    calibration,
    bitsPerByte: async (which) =>
      (await evaluateModel(which, { corpus: heldOut, window, stride: window, latency: false }, engine, quietContext)).bitsPerByte,
  };
}

/** Of the layers that know it, as a cell of a table. */
export function meanError(layers: readonly LayerReport[], which: 'weightError' | 'outputError'): string {
  const errors = layers.map((layer) => layer[which]).filter((error) => error !== undefined);
  return errors.length === 0 ? '-' : (errors.reduce((sum, error) => sum + error, 0) / errors.length).toFixed(4);
}

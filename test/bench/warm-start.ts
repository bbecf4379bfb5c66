// How much a warm start is worth: MiniLM as encoder and decoder of summaries of abstracts (SciTLDR), against random starts, at equal steps.
//
//     npx tsx test/bench/warm-start.ts [steps = 1000] [seeds = 3] [sources that are summarized = 100] [tokens of a source = 320]
//
// One line a start and seed in test/bench/results/warm-start.jsonl; what is there is not measured again. Prints the table of all lines of these settings.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { quietContext } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { evaluatePairs, evaluateSequences } from '#evaluate';
import { type Model, parameterCounts } from '#models';
import { importHuggingFace } from '#store';
import { miniLmFolder } from '#test/minilm';
import { sharedFolder } from '#test/shared';
import { openPairs, pairsFromTexts, type TextPair, tokenizePairs, tokenizerFromFiles } from '#text';
import { crossEntropyObjective, trainModel, trainSettings } from '#train';

const [steps = 1000, seeds = 3, summaries = 100, sourceLength = 320] = process.argv.slice(2).map(Number);
const length = 64;
const results = join(import.meta.dirname, 'results/warm-start.jsonl');

interface Line {
  readonly start: string;
  readonly seed: number;
  readonly steps: number;
  readonly summaries: number;
  readonly sourceLength: number;
  readonly storedBytes: number;
  readonly lossNats: number;
  readonly rouge1: number;
  readonly rouge2: number;
  readonly rougeL: number;
}

const starts: Readonly<Record<string, object>> = {
  Rnd2Rnd: { encoder: 'random', decoder: 'random' },
  Rnd2BERT: { encoder: 'random' },
  BERT2Rnd: { decoder: 'random' },
  BERT2BERT: {},
  'BERT2BERT, attention to the source from self-attention': { crossAttention: 'self' },
  BERTShare: { share: true },
  RndShare: { encoder: 'random', decoder: 'random', share: true },
};

const found = await miniLmFolder();
if ('missing' in found) throw new Error(found.missing);
if (sharedFolder === undefined) throw new Error('the data of ../shared are not there');
const data = join(sharedFolder, 'data/seq2seq/scitldr');
const { model: miniLm, tokenizerFiles } = await importHuggingFace(found.folder);
const tokenizer = tokenizerFromFiles(tokenizerFiles);
const engine = await createOnnxEngine({ device: 'cpu' });

const sizes = { maxSourceTokens: sourceLength, maxTargetTokens: length };
const corpus = await tokenizePairs(await openPairs([join(data, 'train.jsonl')], {}), tokenizer, quietContext, sizes);
const heldOut: TextPair[] = [];
for await (const pair of (await openPairs([join(data, 'dev.jsonl')], {})).pairs()) {
  const fits = tokenizer.encode(pair.source, { addSpecialTokens: true }).length <= sourceLength;
  if (fits && heldOut.length < summaries) heldOut.push(pair);
}
const heldOutCorpus = await tokenizePairs(pairsFromTexts(heldOut), tokenizer, quietContext, sizes);

async function measure(start: string, settings: object, seed: number): Promise<Line> {
  const tokens = { startToken: tokenizer.tokenToId('[CLS]'), endToken: tokenizer.tokenToId('[SEP]') };
  const recipe = parseRecipe({ steps: [{ warmStart: { ...settings, ...tokens } }], seed }, methods);
  const { model } = await compressModel(miniLm, recipe, { engine }, quietContext);
  const training = trainSettings({
    steps,
    batchSize: 8,
    sequenceLength: length,
    sourceLength,
    learningRate: 3e-4,
    seed,
    checkpointEvery: 0,
  });
  const objective = crossEntropyObjective({ labelSmoothing: 0.1 });
  const trained: Model = (await trainModel({ model, objective, corpus, settings: training }, engine, quietContext)).model;
  const { lossNats } = await evaluatePairs(trained, heldOutCorpus, engine, quietContext);
  const request = { model: trained, tokenizer, pairs: pairsFromTexts(heldOut), generation: { maxTokens: length } };
  const { rouge } = await evaluateSequences(request, engine, quietContext);
  const [rouge1, rouge2, rougeL] = [rouge.rouge1, rouge.rouge2, rouge.rougeL].map(({ fMeasure }) => fMeasure) as [number, number, number];
  return {
    start,
    seed,
    steps,
    summaries,
    sourceLength,
    storedBytes: parameterCounts(trained).storedBytes,
    lossNats,
    rouge1,
    rouge2,
    rougeL,
  };
}

function known(): Line[] {
  const lines = existsSync(results) ? readFileSync(results, 'utf8').trim().split('\n') : [];
  const all = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Line);
  return all.filter((line) => line.steps === steps && line.summaries === summaries && line.sourceLength === sourceLength);
}

for (let seed = 1; seed <= seeds; seed++)
  for (const [start, settings] of Object.entries(starts)) {
    if (known().some((line) => line.start === start && line.seed === seed)) continue;
    appendFileSync(results, `${JSON.stringify(await measure(start, settings, seed))}\n`);
  }
await engine.dispose();

process.stdout.write(`| start | stored bytes | loss, nats | ROUGE-1 | ROUGE-2 | ROUGE-L |\n| --- | --- | --- | --- | --- | --- |\n`);
for (const start of Object.keys(starts)) {
  const lines = known().filter((line) => line.start === start);
  const mean = (of: (line: Line) => number): string => (lines.reduce((sum, line) => sum + of(line), 0) / lines.length).toFixed(3);
  const columns = [mean((line) => line.lossNats), mean((line) => line.rouge1), mean((line) => line.rouge2), mean((line) => line.rougeL)];
  process.stdout.write(`| ${start} | ${lines[0]?.storedBytes ?? '-'} | ${columns.join(' | ')} |\n`);
}

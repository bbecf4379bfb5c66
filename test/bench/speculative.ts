// What a draft model is worth: `npx tsx test/bench/speculative.ts [rounds] [tokens] [wiki|small|both]`.
//
// Tokens per second of one answer with and without a draft, turn by turn in one process, medians, and the share of proposals that were taken.
// `wiki`: the demo model, drafted for by itself in 4 bits and with half its blocks, neither trained further. `small`: the GPT-2 small shape with
// random weights, drafted for by its own first blocks: what a draft costs at that size, while its answers say nothing about a trained model.
import { fileURLToPath } from 'node:url';
import { quietContext, Random } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { initializeModel, type Model } from '#models';
import { type GenerationRequest, LoadedModel, type SamplingOptions, type Usage } from '#serve';
import { importHuggingFace } from '#store';
import { type Tokenizer, tokenizerFromFiles } from '#text';
import { withFewerLayers } from '../support/fewer-layers.ts';
import { gpt2Small } from './gpt2-small.ts';
import { median } from './peer.ts';

const [rounds = 5, tokens = 64] = process.argv.slice(2, 4).map(Number);
const which = process.argv[4] ?? 'both';
const engine = await createOnnxEngine({ device: 'cpu' });
const fixture = fileURLToPath(new URL('../fixtures/models/wiki-gpt2-7m', import.meta.url));
const { model: wiki, tokenizerFiles } = await importHuggingFace(fixture);
const tokenizer = tokenizerFromFiles(tokenizerFiles);

const samplings: readonly (readonly [string, SamplingOptions])[] = [
  ['greedy', {}],
  ['temperature 0.8', { temperature: 0.8 }],
];

async function inFourBits(model: Model): Promise<Model> {
  const calibration = new WindowCalibration(engine, async function* () {});
  return (await compressModel(model, parseRecipe({ steps: [{ quantize: { bits: 4 } }] }, methods), { engine, calibration }, quietContext))
    .model;
}

function load(model: Model, name: string, by: Tokenizer): Promise<LoadedModel> {
  return LoadedModel.load(engine, model, { tokenizer: by, name, contextTokens: 256 });
}

async function answer(target: LoadedModel, request: GenerationRequest, draft?: LoadedModel): Promise<Usage> {
  for await (const event of target.generate(request, undefined, draft)) if (event.kind === 'finished') return event.usage;
  throw new Error('it did not finish');
}

/** After the first token, so that the prompt does not count. */
function tokensPerSecond({ generatedTokens, firstTokenMs = 0, totalMs }: Usage): number {
  return ((generatedTokens - 1) * 1000) / (totalMs - firstTokenMs);
}

async function compare(
  target: LoadedModel,
  drafts: readonly LoadedModel[],
  prompts: readonly GenerationRequest['prompt'][],
): Promise<void> {
  for (const [label, sampling] of samplings)
    for (const draft of drafts)
      for (const draftTokens of [2, 4, 8]) {
        const [alone, drafted, usages]: [number[], number[], Usage[]] = [[], [], []];
        for (let round = 0; round <= rounds; round++) {
          const prompt = prompts[round % prompts.length] ?? '';
          const request = { prompt, maxNewTokens: tokens, ignoreEnd: true, draftTokens, sampling: { ...sampling, seed: round } };
          const [plain, speculative] = [await answer(target, request), await answer(target, request, draft)];
          // The first round warms up.
          if (round === 0) continue;
          alone.push(tokensPerSecond(plain));
          drafted.push(tokensPerSecond(speculative));
          usages.push(speculative);
        }
        const sum = (field: 'acceptedTokens' | 'draftedTokens'): number => usages.reduce((total, usage) => total + usage[field], 0);
        const [slow, fast, taken] = [median(alone), median(drafted), sum('acceptedTokens') / sum('draftedTokens')];
        const speeds = `${slow.toFixed(1)} | ${fast.toFixed(1)} | ${(fast / slow).toFixed(2)}`;
        process.stdout.write(
          `| ${target.name} | ${draft.name} | ${label} | ${draftTokens} | ${(100 * taken).toFixed(0)} % | ${speeds} |\n`,
        );
      }
  for (const model of [target, ...drafts]) await model.unload();
}

process.stdout.write('| target | draft | sampling | draft tokens | taken | tokens/s alone | with the draft | ratio |\n');
process.stdout.write('| --- | --- | --- | --- | --- | --- | --- | --- |\n');
if (which !== 'small') {
  const half = Math.ceil(wiki.config.layers / 2);
  const drafts = [
    await load(await inFourBits(wiki), '4 bits', tokenizer),
    await load(withFewerLayers(wiki, half), `${half} blocks`, tokenizer),
  ];
  await compare(await load(wiki, 'wiki-gpt2-7m', tokenizer), drafts, ['The city of', 'In 1914', 'He was born in', 'The river', 'Music']);
}
if (which !== 'wiki') {
  const large = initializeModel({ ...gpt2Small, maxPositions: 256 }, new Random(1));
  const drafts = [
    await load(withFewerLayers(large, 1), '1 block', tokenizer),
    await load(withFewerLayers(large, 3), '3 blocks', tokenizer),
  ];
  const prompts = Array.from({ length: 5 }, (_, seed) => {
    const random = new Random(seed);
    return Array.from({ length: 32 }, () => random.integer(gpt2Small.vocabularySize));
  });
  await compare(await load(large, 'GPT-2 small shape, random', tokenizer), drafts, prompts);
}
await engine.dispose();

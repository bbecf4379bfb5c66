// How far the gradients of 8-bit products are from those in floats: `npx tsx test/bench/rounded-gradients.ts [batch] [tokens]`.
//
// Relative distances of the block matrices' gradients of the small Wikipedia model, trained and at random weights, on one batch of text.
import { Random } from '#base';
import { gradientName } from '#graph';
import { declarations, initializeModel, type Model, modelInputs, trainableNames } from '#models';
import { toNumbers } from '#tensor';
import { WindowSampler } from '#text';
import { buildGradientGraph, crossEntropyObjective, type Products, productKinds } from '#train';
import { openWikiModel } from './wiki-model.ts';

const [batch = 8, length = 128] = process.argv.slice(2).map(Number);
const { engine, model: trained, corpus } = await openWikiModel({ heldOutCharacters: 2000 });
const given = new WindowSampler(corpus.tokens, { batch, window: length, seed: 3 }).next();

type Gradients = ReadonlyMap<string, Float64Array>;

async function gradientsOf(model: Model, products: Products): Promise<Gradients> {
  const names = trainableNames(model).filter((name) => /^h\..*(?:attn|mlp).*weight$/.test(name));
  const asked = { batch, length, trained: trainableNames(model), accumulates: false, products };
  const { graph } = buildGradientGraph(declarations(model), crossEntropyObjective(), asked);
  const values = new Map([...modelInputs(model), ...Object.entries(given)]);
  const program = await engine.compile(graph);
  const results = await program.run(
    Object.fromEntries(graph.inputs.flatMap(({ name }) => (values.has(name) ? [[name, values.get(name)!]] : []))),
  );
  const gradients = new Map(names.map((name) => [name, Float64Array.from(toNumbers(results[gradientName(name)]!.read()))]));
  for (const buffer of Object.values(results)) buffer.release();
  await program.release();
  return gradients;
}

const norm = (values: Float64Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

process.stdout.write('| weights | products | smallest distance | largest | lengths |\n| --- | --- | --- | --- | --- |\n');
for (const [weights, model] of Object.entries({ trained, random: initializeModel(trained.config, new Random(1)) })) {
  const exact = await gradientsOf(model, 'float32');
  for (const products of productKinds.filter((kind) => kind !== 'float32')) {
    const rounded = await gradientsOf(model, products);
    const distances: number[] = [];
    const lengths: number[] = [];
    for (const [name, expected] of exact) {
      const actual = rounded.get(name)!;
      distances.push(norm(actual.map((value, index) => value - expected[index]!)) / norm(expected));
      lengths.push(norm(actual) / norm(expected));
    }
    const shown = (values: readonly number[], digits: number): string[] =>
      [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
    process.stdout.write(`| ${[weights, products, ...shown(distances, 3), shown(lengths, 3).join(' to ')].join(' | ')} |\n`);
  }
}
await engine.dispose();

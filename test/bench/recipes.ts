// The shipped recipes against each other at equal stored bytes: `npx tsx test/bench/recipes.ts [steps of distillation in all] [sequences a step]`.
//
// `tqcompressor` fixes its sizes, so it says how many bytes there are; `default` takes the largest ratio that fits into them. Both distil from the
// original model for as many steps in all on the same text.
import { parse } from 'yaml';
import { invariant, quietContext } from '#base';
import { compressModel, parseRecipe } from '#compress';
import { type Model, parameterCounts } from '#models';
import { recipeMethods } from '../../src/jobs/distill-step.ts';
import { namedRecipe } from '../../src/jobs/named-recipes.ts';
import { RecipeTraining } from '../../src/jobs/recipe-training.ts';
import { openWikiModel } from './wiki-model.ts';

type Step = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const [steps = 300, batchSize = 8] = process.argv.slice(2).map(Number);
const { engine, model: teacher, corpus, calibration, bitsPerByte } = await openWikiModel();

function stepsOf(name: string): readonly Step[] {
  return (parse(namedRecipe(name)) as { steps: readonly Step[] }).steps;
}

/** The same number of training steps in all, however many stages a recipe has. */
function withSteps(recipe: readonly Step[]): Step[] {
  const stages = recipe.filter(({ distill }) => distill !== undefined).length;
  const settings = { steps: Math.round(steps / stages), batchSize, sequenceLength: 128, warmupSteps: Math.ceil(steps / stages / 10) };
  return recipe.map((step) => (step['distill'] === undefined ? step : { distill: { ...step['distill'], ...settings } }));
}

async function made(recipe: readonly Step[]): Promise<Model> {
  const training = (): RecipeTraining => new RecipeTraining({ engine, corpus, seed: 0, teacher: () => Promise.resolve(teacher) });
  const environment = { engine, calibration, seed: 0, ofStep: () => ({ training: training() }) };
  return (await compressModel(teacher, parseRecipe({ steps: recipe }, recipeMethods), environment, quietContext)).model;
}

/** Bytes follow from sizes alone. */
async function bytesAt(recipe: readonly Step[], ratio: number): Promise<number> {
  const untrained = recipe.filter(({ distill }) => distill === undefined);
  const plain = untrained.map((step) => (step['lowRank'] === undefined ? step : { lowRank: { ratio } }));
  return parameterCounts(await made(plain)).storedBytes;
}

async function report(name: string, model: Model): Promise<void> {
  console.log(`| ${name} | ${parameterCounts(model).storedBytes.toLocaleString('en')} | ${(await bitsPerByte(model)).toFixed(4)} |`);
}

console.log(`| recipe, ${steps} steps of ${batchSize}x128 tokens in all | stored bytes | bits per byte |\n| --- | --- | --- |`);
await report('teacher', teacher);
const theirs = await made(withSteps(stepsOf('tqcompressor')));
await report('tqcompressor', theirs);
const budget = parameterCounts(theirs).storedBytes;
const ours = stepsOf('default');
const fits: number[] = [];
for (let percent = 95; percent >= 5 && fits.length === 0; percent -= 5)
  if ((await bytesAt(ours, percent / 100)) <= budget) fits.push(percent);
const [percent] = fits;
invariant(percent !== undefined, 'no ratio of the default recipe stores so little');
const sized = withSteps(ours).map((step) =>
  step['lowRank'] === undefined ? step : { lowRank: { ...step['lowRank'], ratio: percent / 100 } },
);
await report(`default, ratio ${percent / 100}`, await made(sized));
await engine.dispose();

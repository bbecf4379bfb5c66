// Taking whole layers out of a model; those that stay keep their weights and move up.
import { AppError, at, invariant, type OperationContext } from '#base';
import { type BlockStack, type Model, type ParameterSpec, parameterSpecs } from '#models';
import { tensorBytes } from '#tensor';
import { arrangeBlocks } from '../../arrange-blocks.ts';
import { LayerRun } from '../../layer-run.ts';
import { type CompressionEnvironment, type FinishedLayer, type MethodResult, methodReport } from '../../method.ts';
import { chooseUnits } from './choose.ts';
import { importanceOf, type StructuredSettings } from './settings.ts';
import { parameterOf, selectBlocks } from './targets.ts';
import { blockInfluence, firstOrderBlocks } from './text-pass.ts';

/** @throws AppError those of `selectBlocks` | `bad_recipe` for a layer that the model lacks, or when none would stay */
export function selectLayers(model: Model, settings: StructuredSettings): ReturnType<typeof selectBlocks> {
  const selected = selectBlocks(model, settings);
  if (settings.remove !== undefined) checkRemoved(selected.stack, new Set(settings.remove));
  return selected;
}

/** @throws AppError those of `selectLayers` and of the method */
export async function removeLayers(
  model: Model,
  settings: StructuredSettings,
  environment: CompressionEnvironment,
  context: OperationContext,
): Promise<MethodResult> {
  const { stack, blocks } = selectLayers(model, settings);
  const removed = new Set(settings.remove ?? (await leastImportant(model, stack, blocks, settings, environment, context)));
  checkRemoved(stack, removed);
  const kept = Array.from({ length: stack.size }, (_, block) => block).filter((block) => !removed.has(block));
  const layers = new LayerRun('prune layers', [...parameterSpecs(model).values()].filter(isBlockMatrix).length, environment, context);
  const finished: FinishedLayer[] = [];
  for (const spec of parameterSpecs(model).values())
    if (isBlockMatrix(spec)) finished.push(await layers.layer(spec.path, async () => reportOf(model, spec, newPath(stack, spec, kept))));
  const report = methodReport(
    'prune',
    finished.map(({ layer }) => layer),
  );
  return {
    model: arrangeBlocks(model, [kept]),
    report: { ...report, note: `removed layers ${[...removed].sort((left, right) => left - right).join(', ')} of ${stack.size}` },
  };
}

async function leastImportant(
  model: Model,
  stack: BlockStack,
  blocks: readonly number[],
  settings: StructuredSettings,
  environment: CompressionEnvironment,
  context: OperationContext,
): Promise<number[]> {
  const { ratio } = settings;
  invariant(ratio !== undefined, 'the settings ask for a ratio or for layers');
  const importance = importanceOf(settings);
  if (importance === 'spacing') {
    const kept = evenlySpaced(blocks.length, Math.max(1, Math.round(ratio * blocks.length)));
    return blocks.filter((_, index) => !kept.has(index));
  }
  const measure = importance === 'similarity' ? blockInfluence : firstOrderBlocks;
  const all = await measure(model, stack, environment, context);
  const scores = Float64Array.from(blocks, (block) => at(all, block));
  const kept = new Set(chooseUnits([{ name: stack.prefix, scores }], { ratio, spread: 'uniform', multipleOf: 1 }).get(stack.prefix));
  return blocks.filter((_, index) => !kept.has(index));
}

/**
 * `count` places of `size`, from the first to the last.
 *
 * @see the students of DistilBERT: of twelve layers 0, 2, 4, 7, 9 and 11 (Sanh et al., 2019, and the scripts that came with it)
 */
function evenlySpaced(size: number, count: number): ReadonlySet<number> {
  if (count === 1) return new Set([0]);
  return new Set(Array.from({ length: count }, (_, index) => Math.round((index * (size - 1)) / (count - 1))));
}

function checkRemoved({ size }: BlockStack, removed: ReadonlySet<number>): void {
  const missing = [...removed].find((block) => block >= size);
  if (missing !== undefined)
    throw new AppError('bad_recipe', `prune.remove: layer ${missing} is outside 0..${size - 1}. Name layers that the model has.`);
  if (removed.size === size) throw new AppError('bad_recipe', `prune.remove: all ${size} layers are named, and one must stay.`);
}

function isBlockMatrix({ role, block }: ParameterSpec): boolean {
  return role !== 'vector' && block !== undefined;
}

/** The path after the layers in front have gone; undefined where the layer itself goes. */
function newPath({ prefix }: BlockStack, { path, block }: ParameterSpec, kept: readonly number[]): string | undefined {
  if (block === undefined) return path;
  const index = kept.indexOf(block);
  return index < 0 ? undefined : `${prefix}${index}${path.slice(`${prefix}${block}`.length)}`;
}

/** What was moved is made anew from the model: the layer's report is all that is kept of it. */
function reportOf(model: Model, { path }: ParameterSpec, to: string | undefined): FinishedLayer {
  const { kind, tensors } = parameterOf(model, path);
  const bytes = Object.values(tensors).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const base = { path, kindBefore: kind, bytesBefore: bytes };
  if (to === undefined) return { layer: { ...base, kindAfter: 'removed', bytesAfter: 0, weightError: 1 }, parameters: [] };
  const note = to === path ? 'stays' : `stays, now ${to}`;
  return { layer: { ...base, kindAfter: kind, bytesAfter: bytes, weightError: 0, note }, parameters: [] };
}

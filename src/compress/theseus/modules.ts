// The predecessor and the layers that replace it as one model, and which of its layers run for a draw.
import { AppError, at, invariant } from '#base';
import { architectureOf, isEncoded, type Model, type NetworkChanges, parameterSpecs } from '#models';
import { arrangeBlocks } from '../arrange-blocks.ts';
import type { TheseusSettings } from './settings.ts';

/** One stack of layers, divided into modules. */
export interface ModuleStack {
  /** `BlockStack.prefix` */
  readonly prefix: string;
  /** M */
  readonly modules: number;
  /** Layers of a module of the predecessor, L/M. */
  readonly depthBefore: number;
  /** Layers of a module of the successor, k. */
  readonly depthAfter: number;
}

/** Layers of the predecessor come first in every stack, those of the successor after them. */
export interface JoinedModel {
  readonly model: Model;
  readonly stacks: readonly ModuleStack[];
  /** All modules of all stacks. */
  readonly modules: number;
}

const range = (count: number, first = 0): number[] => Array.from({ length: count }, (_, index) => first + index);

/**
 * Puts successor modules beside those of the predecessor, with the weights of some of its layers. Both use the same embeddings and head, which neither
 * changes, so that one model holds them all; every stack of an encoder-decoder gets as many modules.
 *
 * @throws AppError `modules_do_not_divide` | `already_quantized` for layers in codes, which cannot train | `unsupported` for a model whose layers are one
 */
export function joinModel(model: Model, settings: Pick<TheseusSettings, 'modules' | 'layers' | 'start'>): JoinedModel {
  const { config } = model;
  const { start } = settings;
  const layers = settings.layers ?? settings.modules;
  invariant(layers !== undefined, 'the settings say how many modules or layers');
  const modules = settings.modules ?? layers;
  const depthAfter = layers / modules;
  const blockStacks = architectureOf(config).blockStacks(config);
  if (blockStacks.length === 0 || config.halting !== undefined)
    throw new AppError(
      'unsupported',
      `theseus: the layers of this ${config.architecture} model are one block, which has no modules. Use a model whose layers have weights of their own.`,
    );
  for (const { path, block } of parameterSpecs(model).values()) {
    const parameter = model.parameters.get(path);
    if (block !== undefined && parameter !== undefined && isEncoded(parameter))
      throw new AppError(
        'already_quantized',
        `${path} (${parameter.kind}) is quantized already, and would not train. Quantize after theseus.`,
        {
          details: { path },
        },
      );
  }
  const stacks = blockStacks.map(({ prefix, size }): ModuleStack => {
    const depthBefore = size / modules;
    if (!Number.isInteger(depthBefore) || depthAfter >= depthBefore) throw doesNotDivide(prefix, size, modules, depthAfter);
    return { prefix, modules, depthBefore, depthAfter };
  });
  const chosen = stacks.map((stack) => [...range(sizeBefore(stack)), ...startLayers(stack, start)]);
  return { model: arrangeBlocks(model, chosen), stacks, modules: modules * stacks.length };
}

/** The successor alone, as it is in the joined model. */
export function successorOf(joined: Model, stacks: readonly ModuleStack[]): Model {
  return arrangeBlocks(
    joined,
    stacks.map((stack) => range(stack.modules * stack.depthAfter, sizeBefore(stack))),
  );
}

/** Whether a parameter of the joined model is one of the successor's layers. */
export function isOfSuccessor(stacks: readonly ModuleStack[], path: string): boolean {
  return stacks.some((stack) => path.startsWith(stack.prefix) && Number.parseInt(path.slice(stack.prefix.length), 10) >= sizeBefore(stack));
}

/**
 * Runs the layers of the joined model as a draw says.
 *
 * @param draw - one character a module, stack after stack: `1` for the successor's
 */
export function runModules(stacks: readonly ModuleStack[], draw: string): NonNullable<NetworkChanges['runBlocks']> {
  return (x, block, prefix) => {
    const index = stacks.findIndex((each) => each.prefix === prefix);
    const stack = at(stacks, index);
    const first = stacks.slice(0, index).reduce((sum, { modules }) => sum + modules, 0);
    return layersOf(stack, draw.slice(first, first + stack.modules)).reduce((state, layer) => block(layer, state), x);
  };
}

/** Layers of the joined model that run, in order. */
export function layersOf(stack: ModuleStack, draw: string): number[] {
  const { depthBefore, depthAfter } = stack;
  return [...draw].flatMap((drawn, module) =>
    drawn === '1' ? range(depthAfter, sizeBefore(stack) + module * depthAfter) : range(depthBefore, module * depthBefore),
  );
}

/** Layers of the predecessor. */
function sizeBefore({ modules, depthBefore }: ModuleStack): number {
  return modules * depthBefore;
}

/** The layer of the predecessor that each layer of the successor starts as. */
export function startLayers(stack: ModuleStack, start: TheseusSettings['start']): number[] {
  const [before, after] = [sizeBefore(stack), stack.modules * stack.depthAfter];
  if (start === 'interleaved') return range(after).map((layer) => Math.floor((layer * before) / after));
  return range(after, start === 'first' ? 0 : before - after);
}

function doesNotDivide(prefix: string, size: number, modules: number, depthAfter: number): AppError {
  const fitting = range(size - 1, 1).filter((count) => size % count === 0 && depthAfter < size / count);
  const remedy = fitting.length === 0 ? 'Use a deeper model' : `Choose ${fitting.join(', ')} modules`;
  const place = prefix === 'h.' ? '' : `${prefix.slice(0, prefix.indexOf('.'))}: `;
  return new AppError(
    'modules_do_not_divide',
    `theseus.modules: ${place}${size} layers cannot be divided into ${modules} modules that become ${depthAfter} ${depthAfter === 1 ? 'layer' : 'layers'} each. ${remedy}.`,
    { details: { field: 'theseus.modules', layers: size, modules } },
  );
}

// The device memory of a training before it begins, part by part: from the differentiated graph as the engine will run it.
import type { Engine } from '#engine';
import type { Graph } from '#graph';
import { gradientName } from '#graph';
import { allInputs, graphType, type ModelDeclaration, type ParameterDeclaration } from '#models';
import { type DType, dtypeBytes, sizeOf } from '#tensor';
import { maskName } from './gradient-graph.ts';
import type { Objective } from './objective.ts';
import { schemeName } from './scheme.ts';
import { makeOptimizer, type TrainSettings } from './settings.ts';
import { type LayoutOptions, layoutOf } from './trainer-layout.ts';

/** Bytes on the device, without what others have there already, as the inputs of an objective. */
export interface TrainingMemory {
  /** The student's tensors, with masks, and the tensors of schemes. */
  readonly parameterBytes: number;
  readonly gradientBytes: number;
  readonly optimizerBytes: number;
  /** One micro-batch. */
  readonly batchBytes: number;
  /** What one run of the forward and backward pass holds between its inputs and its results. */
  readonly activationBytes: number;
}

/**
 * The plan of a `Trainer` of the same arguments. Nothing is held on the device for it; the graph is compiled and thrown away.
 *
 * Micro-batches share the space of activations; adding to gradients takes some of its own.
 *
 * @throws AppError as `Trainer.create`
 */
export async function planTrainerMemory<P extends ParameterDeclaration>(
  engine: Engine,
  model: { readonly config: ModelDeclaration['config']; readonly parameters: ReadonlyMap<string, P> },
  objective: Objective,
  settings: TrainSettings,
  options: LayoutOptions = {},
): Promise<TrainingMemory> {
  const layout = layoutOf(engine, model, objective, settings, options);
  const inputs = allInputs(model);
  const types = inputs.map(({ parameter, input }) => ({
    name: input.name,
    bytes: sizeOf(input.shape) * storedBytes(parameter, input.stored),
  }));
  const schemes = (layout.scheme?.tensors ?? []).map(({ name, initial }) => ({ name: schemeName(name), bytes: 4 * sizeOf(initial.shape) }));
  const trained = [
    ...layout.trained.map(({ input }) => 4 * sizeOf(input.shape)),
    ...layout.schemeTensors.map(({ initial }) => 4 * sizeOf(initial.shape)),
  ];
  const masked = layout.trained
    .filter(({ input }) => input.mask !== undefined)
    .map(({ input }) => ({ name: maskName(input.name), bytes: sizeOf(input.shape) }));
  const held = [...types, ...schemes, ...masked];
  const gradientBytes = sum(trained);
  const isHeld = new Set([...held.map(({ name }) => name), ...Object.keys(objective.inputs), ...Object.keys(layout.scheme?.buffers ?? {})]);
  const graphs = [...layout.widest, ...(settings.gradientAccumulation > 1 ? layout.adding() : [])].map(({ graph }) => graph);
  const scratch: number[] = [];
  for (const graph of graphs) scratch.push((await engine.planRun(graph, { name: 'gradients' })).scratchBytes);
  return {
    parameterBytes: sum(held.map(({ bytes }) => bytes)),
    gradientBytes,
    optimizerBytes: gradientBytes * makeOptimizer(settings.optimizer).stateSlots.length,
    batchBytes: Math.max(...layout.widest.map(({ graph }) => batchBytes(graph, isHeld))),
    activationBytes: Math.max(...scratch),
  };
}

export function totalBytes(memory: TrainingMemory): number {
  return sum(Object.values(memory));
}

/** Inputs that come with every batch. */
function batchBytes({ inputs, outputs }: Graph, isHeld: ReadonlySet<string>): number {
  const gradients = new Set(outputs.map(({ name }) => name).filter((name) => name.startsWith(gradientName(''))));
  return sum(
    inputs.flatMap(({ name, value: { dtype, shape } }) =>
      isHeld.has(name) || gradients.has(name) ? [] : [dtypeBytes[dtype] * shape.reduce<number>((size, dim) => size * Number(dim), 1)],
    ),
  );
}

function storedBytes({ tensors }: ParameterDeclaration, slot: string): number {
  return dtypeBytes[graphType(tensors[slot]?.dtype ?? ('float32' satisfies DType))];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

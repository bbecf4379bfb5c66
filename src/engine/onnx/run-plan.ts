// Scratch memory of a graph before anything is held: the runtime rewrites it, and its plan of buffers is worked out from what it wrote.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { invariant } from '#base';
import type { PlanOptions, RunMemory } from '#engine';
import type { Graph } from '#graph';
import { type DimBindings, dtypeBytes, evaluateShape } from '#tensor';
import type { Environment } from './environment.ts';
import { type LowerOptions, lowerGraph } from './lower.ts';
import type { OnnxModel } from './onnx-proto.ts';
import { executionOrder, type OptimizedModel, readOptimizedModel } from './optimized-model.ts';
import { runMemory, type SizedValue } from './run-memory.ts';
import { Session, type SessionOptions } from './session.ts';

export interface RunPlanOptions extends PlanOptions {
  readonly session: SessionOptions;
  readonly kernels: Pick<LowerOptions, 'nBitsKernels' | 'int8Weights' | 'narrowProducts'>;
}

/**
 * A session is made and thrown away: nothing but the runtime knows in which order and with which fused kernels it runs a graph. Frozen inputs
 * would make it pack weights and write them down; of a graph with some the order is our own, which is the same where little is fused.
 */
export async function planRun(environment: Environment, graph: Graph, options: RunPlanOptions): Promise<RunMemory> {
  const { name = 'plan', sizes = new Map(), frozen = new Map(), session, kernels } = options;
  const model = lowerGraph(graph, { name, frozen, portable: false, ...kernels });
  const sized = valueSizes(model, sizes);
  const optimized = frozen.size > 0 ? asLowered(model) : await rewritten(environment, model, session, sizes);
  const { heldBytes, peakBytes } = runMemory(optimized, (value) => sized.get(value));
  return { scratchBytes: heldBytes, liveScratchBytes: peakBytes };
}

async function rewritten(environment: Environment, model: OnnxModel, options: SessionOptions, sizes: DimBindings): Promise<OptimizedModel> {
  const folder = await mkdtemp(join(tmpdir(), 'athanor-plan-'));
  try {
    const optimizedModelPath = join(folder, 'optimized.onnx');
    const session = await Session.create(environment, model, { ...options, optimizedModelPath, sizes });
    session.release();
    const optimized = readOptimizedModel(await readFile(optimizedModelPath));
    // A model that the runtime rewrote is written in the order in which it runs, and one that it did not as it came.
    return isSame(optimized.nodes, model.nodes) ? asLowered(model) : optimized;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Named = readonly { readonly name: string }[];

function isSame(some: Named, others: Named): boolean {
  return some.length === others.length && some.every(({ name }, index) => name === others[index]?.name);
}

/** As it was lowered, in the order in which it would run so. */
function asLowered({ nodes, inputs, outputs, initializers }: OnnxModel): OptimizedModel {
  const names = (values: Named): string[] => values.map(({ name }) => name);
  return { nodes: executionOrder(nodes), inputs: names(inputs), outputs: names(outputs), initializers: names(initializers) };
}

function valueSizes(model: OnnxModel, sizes: DimBindings): ReadonlyMap<string, SizedValue> {
  const sized = new Map<string, SizedValue>();
  const { valueTypes, inputs, outputs, initializers } = model;
  invariant(valueTypes !== undefined, 'a lowered model says what its values are');
  for (const [name, { dtype, shape }] of valueTypes)
    sized.set(name, { elementBytes: dtypeBytes[dtype], shape: evaluateShape(shape, sizes) });
  for (const { name, dtype, shape } of [...inputs, ...outputs])
    sized.set(name, { elementBytes: dtypeBytes[dtype], shape: evaluateShape(shape, sizes) });
  for (const { name, tensor } of initializers) sized.set(name, { elementBytes: dtypeBytes[tensor.dtype], shape: tensor.shape });
  return sized;
}

// How much scratch memory one run of a session takes: the runtime's plan of buffers, simulated over the nodes as they will run.
import { at } from '#base';
import { type ArenaBlock, ArenaModel } from './arena-model.ts';
import type { OptimizedModel, OptimizedNode } from './optimized-model.ts';

/** A value as far as memory goes. */
export interface SizedValue {
  readonly elementBytes: number;
  readonly shape: readonly number[];
}

export interface RunMemory {
  /** Bytes in use together at most. */
  readonly peakBytes: number;
  /** Bytes that the arena takes from the system for it: what is in use, and the gaps. */
  readonly heldBytes: number;
}

/** Kernels that answer with a view of their first operand. */
const aliases: ReadonlySet<string> = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Identity']);
/** Kernels that may write over their first operand where nobody reads it any more. The arithmetic ones do not. */
const writesInPlace: ReadonlySet<string> = new Set([
  ...['Softmax', 'LogSoftmax', 'Tanh', 'Sigmoid', 'Relu', 'Softplus', 'Clip', 'Cast', 'ScatterElements'],
]);

/** One buffer: values that live in it one after the other. */
interface PlannedBuffer {
  readonly value: SizedValue;
  /** Uses of all its values that are still to come. */
  uses: number;
  /** Index of the last node that touches it. */
  lastUse: number;
  /** Inputs, weights and results have memory of their own. */
  readonly isScratch: boolean;
}

/**
 * The runtime gives each value a buffer before it runs: that of an operand where the kernel allows it, that of a value of the same shape that nobody
 * reads any more, or a new one. A buffer is taken when its first value is made and given back after the last use of its last value.
 *
 * Results that the caller binds, inputs and weights are not counted.
 *
 * @param sizeOf - undefined for values whose size is not known, which then count as their first operand does
 * @see onnxruntime, core/framework/allocation_planner.cc; which kernels write in place, and their scratch space, were measured
 */
export function runMemory(model: OptimizedModel, sizeOf: (name: string) => SizedValue | undefined): RunMemory {
  const { nodes } = model;
  const uses = countUses(model);
  const buffers = new Map<string, PlannedBuffer>();
  const outputs = new Set(model.outputs);
  for (const name of [...model.inputs, ...model.initializers])
    buffers.set(name, { value: sizeOf(name) ?? unknown, uses: Number.POSITIVE_INFINITY, lastUse: -1, isScratch: false });
  /** Buffers that nobody uses any more, newest first. */
  const idle: PlannedBuffer[] = [];
  const madeBy: PlannedBuffer[][] = [];
  const spend = (name: string): void => {
    const buffer = buffers.get(name);
    if (buffer === undefined) return;
    buffer.uses -= 1;
    if (buffer.uses === 0 && buffer.isScratch) idle.unshift(buffer);
  };
  for (const [index, node] of nodes.entries()) {
    const made: PlannedBuffer[] = [];
    const operands = node.inputs.map((name) => buffers.get(name));
    for (const name of node.inputs) {
      const buffer = buffers.get(name);
      if (buffer !== undefined) buffer.lastUse = index;
    }
    for (const [position, name] of node.outputs.entries()) {
      if (name === '') continue;
      const value = sizeOf(name) ?? operands[0]?.value ?? unknown;
      const count = (uses.get(name) ?? 0) + 1;
      const buffer = outputs.has(name) ? undefined : reusable(node, position, value, operands[0], idle);
      if (buffer !== undefined) {
        buffer.uses += count;
        buffer.lastUse = index;
        buffers.set(name, buffer);
        continue;
      }
      const fresh = { value, uses: count, lastUse: index, isScratch: !outputs.has(name) };
      buffers.set(name, fresh);
      made.push(fresh);
    }
    for (const name of node.inputs) spend(name);
    for (const name of node.outputs) spend(name);
    madeBy.push(made);
  }
  return replay(nodes, madeBy, (name) => buffers.get(name)?.value);
}

const unknown: SizedValue = { elementBytes: 0, shape: [] };

function countUses(model: OptimizedModel): ReadonlyMap<string, number> {
  const uses = new Map<string, number>();
  const count = (name: string): void => {
    uses.set(name, (uses.get(name) ?? 0) + 1);
  };
  for (const { inputs } of model.nodes) inputs.forEach(count);
  model.outputs.forEach(count);
  return uses;
}

/** The buffer that a result shares. */
function reusable(
  { opType }: OptimizedNode,
  position: number,
  value: SizedValue,
  first: PlannedBuffer | undefined,
  idle: PlannedBuffer[],
): PlannedBuffer | undefined {
  if (position === 0 && first !== undefined) {
    if (aliases.has(opType)) return first;
    if (writesInPlace.has(opType) && first.uses === 1 && bytesOf(first.value) === bytesOf(value)) return first;
  }
  const index = idle.findIndex((buffer) => isSameSize(buffer.value, value));
  return index < 0 ? undefined : idle.splice(index, 1)[0];
}

function isSameSize(a: SizedValue, b: SizedValue): boolean {
  return a.elementBytes === b.elementBytes && a.shape.join() === b.shape.join();
}

function bytesOf({ elementBytes, shape }: SizedValue): number {
  return shape.reduce((product, size) => product * size, elementBytes);
}

/** What the arena sees. */
function replay(
  nodes: readonly OptimizedNode[],
  madeBy: readonly (readonly PlannedBuffer[])[],
  valueNamed: (name: string) => SizedValue | undefined,
): RunMemory {
  const arena = new ArenaModel();
  const blocks = new Map<PlannedBuffer, ArenaBlock>();
  const endingAt = new Map<number, PlannedBuffer[]>();
  for (const buffer of madeBy.flat()) if (buffer.isScratch) endingAt.set(buffer.lastUse, [...(endingAt.get(buffer.lastUse) ?? []), buffer]);
  for (const [index, node] of nodes.entries()) {
    for (const buffer of at(madeBy, index)) if (buffer.isScratch) blocks.set(buffer, arena.take(bytesOf(buffer.value)));
    const scratch = scratchOf(node, valueNamed).map((sizeBytes) => arena.take(sizeBytes));
    for (const block of scratch) arena.giveBack(block);
    for (const buffer of endingAt.get(index) ?? []) {
      const block = blocks.get(buffer);
      if (block !== undefined) arena.giveBack(block);
    }
  }
  return { peakBytes: arena.peakBytes, heldBytes: arena.heldBytes };
}

/** Blocks that a kernel takes for the time that it runs. */
function scratchOf({ opType, inputs, outputs }: OptimizedNode, valueNamed: (name: string) => SizedValue | undefined): readonly number[] {
  const bytes = (name: string | undefined): number => bytesOf(valueNamed(name ?? '') ?? unknown);
  // It selects from each side into a tensor of its own, and joins the two.
  if (opType === 'Where') return [bytes(outputs[0]), bytes(outputs[0])];
  if (opType === 'GroupQueryAttention') return attentionScratch(valueNamed(outputs[0] ?? ''), valueNamed(inputs[3] ?? ''));
  // Activations in 8 bits.
  if (opType === 'DynamicQuantizeMatMul') return [bytes(inputs[0]) / 4];
  return [];
}

/** Queries, keys and values by head where there are several positions, and the scores of all rows. Shapes: result [B, T, H*K], past [B, G, S, K]. */
function attentionScratch(result: SizedValue | undefined, past: SizedValue | undefined): readonly number[] {
  const [B = 0, T = 0, width = 0] = result?.shape ?? [];
  const [, G = 0, S = 0, K = 1] = past?.shape ?? [];
  const scores = 4 * B * (width / K) * T * S;
  return T > 1 ? [4 * B * T * width, 4 * B * T * G * K, 4 * B * T * G * K, scores] : [scores];
}

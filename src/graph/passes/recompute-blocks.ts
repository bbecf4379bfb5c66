// Activation checkpointing: what a backward pass reads of a block is computed again from the block's input instead of being kept.
import { at } from '#base';
import type { GraphBuilder } from '../builder.ts';
import type { Emitter } from '../op.ts';
import { orderFrom, valueKey } from '../order.ts';
import { opName } from '../registry.ts';
import type { Graph, Node, Value } from '../types.ts';

/** One block of a network: a stretch of the forward pass whose insides need not be kept. */
export interface RecomputedBlock {
  /** What the block answers. */
  readonly output: Value;
  /** The loss's gradient with respect to it: the insides are computed again once that is known. */
  readonly dOutput: Value;
}

export interface RecomputeOptions {
  /** Results that are no gradients: what they need is the forward pass. */
  readonly forward: readonly Value[];
  /** What the first block reads. */
  readonly start: Value;
  /** In the order of the forward pass. */
  readonly blocks: readonly RecomputedBlock[];
}

/**
 * Lets the backward pass read copies of the insides of blocks that it computes itself, so that a run holds the insides of one block at a time.
 *
 * A block is what its output needs and neither `start` nor the outputs before it do. A copy reads what enters the block through a sum with a zero
 * that is made of `dOutput`: no runtime can compute it earlier, or find that it is the forward pass over again. All else are the same ops on the same
 * numbers, so loss and gradients are what they were.
 *
 * What depends on parameters alone is kept, and what gradients read before that of the block's output is known. A block whose gradient does not
 * follow from that of the next one is left as it is.
 *
 * @see Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016
 */
export function recomputeBlocks(b: GraphBuilder, graph: Graph, { forward, start, blocks }: RecomputeOptions): Graph {
  const isForward = new Set(orderFrom(forward));
  const known = new Set(orderFrom([start]));
  const copies = new Map<Node, BlockCopy>();
  const kept = chained(blocks.filter(({ output }) => isForward.has(output.node)));
  for (const block of blocks) {
    const inside = orderFrom([block.output]).filter((node) => !known.has(node));
    for (const node of inside) known.add(node);
    const before = kept.get(block);
    if (before === undefined) continue;
    const copy = new BlockCopy(b, new Set(inside), block, before);
    for (const node of inside) copies.set(node, copy);
  }
  const rewritten = rewriteBackward(b, graph, isForward, (node, { node: read }) => {
    const copy = copies.get(read);
    return copy === undefined || read === copy.block.output.node || copy.before.has(node) ? undefined : copy;
  });
  return { inputs: graph.inputs, outputs: graph.outputs.map(({ name, value }) => ({ name, value: rewritten(value) })) };
}

/** What must be known before a block is computed again, of the blocks whose gradients follow from one another. */
function chained(blocks: readonly RecomputedBlock[]): ReadonlyMap<RecomputedBlock, ReadonlySet<Node>> {
  const kept = new Map<RecomputedBlock, ReadonlySet<Node>>();
  let next: Node | undefined;
  for (const block of blocks.toReversed()) {
    const before = new Set(orderFrom([block.dOutput]));
    if (next !== undefined && !before.has(next)) continue;
    kept.set(block, before);
    next = block.dOutput.node;
  }
  return kept;
}

/** The insides of one block for the second time; made value by value, as they are asked for. Blocks are not deep: it may call itself. */
class BlockCopy {
  readonly block: RecomputedBlock;
  /** Nodes that the gradient of the output needs: they read the first ones. */
  readonly before: ReadonlySet<Node>;
  readonly #b: GraphBuilder;
  readonly #inside: ReadonlySet<Node>;
  readonly #copied = new Map<Node, readonly Value[]>();
  readonly #entered = new Map<string, Value>();

  constructor(b: GraphBuilder, inside: ReadonlySet<Node>, block: RecomputedBlock, before: ReadonlySet<Node>) {
    this.#b = b;
    this.#inside = inside;
    this.block = block;
    this.before = before;
  }

  /** @param dOutput - the block's gradient as it is computed now */
  of(value: Value, dOutput: Value): Value {
    return at(this.#copy(value.node, dOutput), value.index);
  }

  #copy(node: Node, dOutput: Value): readonly Value[] {
    const known = this.#copied.get(node);
    if (known !== undefined) return known;
    const operands = node.operands.map((operand) => this.#operand(operand, dOutput));
    const isSame = operands.every((operand, index) => valueKey(operand) === valueKey(at(node.operands, index)));
    const copied = isSame
      ? node.types.map((type, index) => ({ node, index, ...type }))
      : this.#b.at(`again(${node.place})`, () => this.#b.apply(opName(node), operands, node.attrs));
    this.#copied.set(node, copied);
    return copied;
  }

  #operand(operand: Value, dOutput: Value): Value {
    if (this.#inside.has(operand.node)) return at(this.#copy(operand.node, dOutput), operand.index);
    const { op } = operand.node;
    if (op === 'input' || op === 'constant' || !operand.dtype.includes('float')) return operand;
    const key = valueKey(operand);
    const entered = this.#entered.get(key) ?? after(this.#b, operand, dOutput);
    this.#entered.set(key, entered);
    return entered;
  }
}

/** The same numbers, but not before `needed` is there. */
function after(b: Emitter, value: Value, needed: Value): Value {
  const first = needed.shape.reduce<Value>((rest, _, axis) => b.slice(rest, axis, 0, 1), needed);
  const one = b.reshape(first, []);
  // Nothing is less than itself, whatever it is.
  return b.add(value, b.cast(b.less(one, one), value.dtype));
}

/** Where a node reads a value of a block, the copy that stands in its place. */
type CopyOf = (node: Node, operand: Value) => BlockCopy | undefined;

/** Rebuilds the nodes behind the forward pass, each after the gradients that its copies wait for. */
function rewriteBackward(b: GraphBuilder, graph: Graph, isForward: ReadonlySet<Node>, copyOf: CopyOf): (value: Value) => Value {
  const rebuilt = new Map<Node, readonly Value[]>();
  const lookUp = (value: Value): Value => {
    const results = rebuilt.get(value.node);
    return results === undefined ? value : at(results, value.index);
  };
  const rebuild = (node: Node): readonly Value[] => {
    const operands = node.operands.map((operand) => {
      const copy = copyOf(node, operand);
      return copy === undefined ? lookUp(operand) : copy.of(operand, lookUp(copy.block.dOutput));
    });
    const isSame = operands.every((operand, index) => valueKey(operand) === valueKey(at(node.operands, index)));
    if (isSame) return node.types.map((type, index) => ({ node, index, ...type }));
    return b.at(node.place, () => b.apply(opName(node), operands, node.attrs));
  };
  const needs = (node: Node): readonly Node[] => {
    const nodes = node.operands.flatMap((operand) => {
      const waited = copyOf(node, operand)?.block.dOutput.node;
      return waited === undefined ? [operand.node] : [waited];
    });
    return nodes.filter((each) => !isForward.has(each));
  };
  const stack = graph.outputs.map(({ value }) => ({ node: value.node, isReady: false })).filter(({ node }) => !isForward.has(node));
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { node, isReady } = top;
    if (rebuilt.has(node)) continue;
    if (isReady) {
      rebuilt.set(node, rebuild(node));
      continue;
    }
    stack.push({ node, isReady: true });
    for (const each of needs(node)) if (!rebuilt.has(each)) stack.push({ node: each, isReady: false });
  }
  return lookUp;
}

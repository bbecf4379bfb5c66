// Products of one value with several weights that never change become one product with the weights side by side: queries, keys and values, gate and up.
import { at, invariant } from '#base';
import {
  attrsOf,
  countUses,
  type Graph,
  type GraphInput,
  type Node,
  opName,
  rewriteGraph,
  topologicalOrder,
  type Value,
  valueKey,
} from '#graph';
import { type HostTensor, hostTensor } from '#tensor';

export interface FrozenGraph {
  readonly graph: Graph;
  /** Values of some of the graph's inputs. */
  readonly frozen: ReadonlyMap<string, HostTensor>;
}

/** One product, with the addition of its bias where that is its only use. */
interface Product {
  readonly product: Node;
  /** What the rest of the graph reads: the product or the addition. */
  readonly root: Node;
  /** Columns of the result. */
  readonly size: number;
  /** The frozen inputs: those of the weight, then that of the bias if there is one. */
  readonly parts: readonly Value[];
}

/**
 * The same graph with joined products. Each column of a result is the sum that it was: weights stand side by side, and rounding (of weights by row, of
 * activations by operand) stays what it was.
 *
 * It saves reading the activations again, and starting kernels. Weights that anything else reads stay where they are.
 */
export function joinSiblingProducts({ graph, frozen }: FrozenGraph): FrozenGraph {
  const groups = siblingGroups(graph, frozen);
  if (groups.length === 0) return { graph, frozen };
  const groupOf = new Map(groups.flatMap((group) => group.map(({ root }) => [root, group] as const)));
  const products = new Set(groups.flatMap((group) => group.map(({ product }) => product)));
  const operandOf = new Map<Node, Value>();
  const results = new Map<readonly Product[], Value>();
  const made = new Map<string, { input: GraphInput; tensor: HostTensor }>();

  const rewritten = rewriteGraph(graph, (node, operands, b) => {
    if (products.has(node)) operandOf.set(node, at(operands, 0));
    const group = groupOf.get(node);
    if (group === undefined) return undefined;
    const joinedInput = (part: number): Value => {
      const names = group.map(({ parts }) => inputName(at(parts, part)));
      const name = names.join(' + ');
      const known = made.get(name);
      if (known !== undefined) return known.input.value;
      const tensor = joinTensors(group, part, frozen);
      const value = b.input(name, tensor.dtype, tensor.shape);
      made.set(name, { input: { name, value }, tensor });
      return value;
    };
    let all = results.get(group);
    if (all === undefined) {
      const { product, parts } = at(group, 0);
      const x = operandOf.get(product);
      invariant(x !== undefined, 'a product stands before the addition of its bias');
      const numWeights = product.operands.length - 1;
      const weights = Array.from({ length: numWeights }, (_, part) => joinedInput(part));
      const [y] = b.apply(opName(product), [x, ...weights], product.attrs);
      invariant(y !== undefined, 'a product has a result');
      all = parts.length > numWeights ? b.add(y, joinedInput(numWeights)) : y;
      results.set(group, all);
    }
    const index = group.findIndex(({ root }) => root === node);
    const start = group.slice(0, index).reduce((total, { size }) => total + size, 0);
    return [b.slice(all, all.shape.length - 1, start, start + at(group, index).size)];
  });

  const joined = [...made.values()];
  const replaced = new Set(groups.flatMap((group) => group.flatMap(({ parts }) => parts.map(inputName))));
  return {
    graph: {
      inputs: [...rewritten.inputs.filter(({ name }) => !replaced.has(name)), ...joined.map(({ input }) => input)],
      outputs: rewritten.outputs,
    },
    frozen: new Map([
      ...[...frozen].filter(([name]) => !replaced.has(name)),
      ...joined.map(({ input, tensor }) => [input.name, tensor] as const),
    ]),
  };
}

function inputName({ node }: Value): string {
  return attrsOf(node, 'input').name;
}

/** Groups of at least two products of one operand, all of one kind, whose weights nothing else reads. */
function siblingGroups(graph: Graph, frozen: FrozenGraph['frozen']): readonly (readonly Product[])[] {
  const uses = countUses(graph);
  const order = topologicalOrder(graph);
  const onlyAddition = new Map<Node, Node>();
  for (const node of order)
    if (node.op === 'add') for (const { node: operand } of node.operands) if (uses.get(operand) === 1) onlyAddition.set(operand, node);
  const isFrozen = (value: Value | undefined): boolean => value?.node.op === 'input' && frozen.has(inputName(value));

  const groups = new Map<string, Product[]>();
  for (const product of order) {
    const [x, ...weights] = product.operands;
    const size = at(product.types, 0).shape.at(-1);
    if (x === undefined || typeof size !== 'number' || !isJoinable(product) || !weights.every(isFrozen)) continue;
    const addition = onlyAddition.get(product);
    const bias = addition?.operands.find(({ node }) => node !== product);
    const isBiased = addition !== undefined && isFrozen(bias) && bias?.shape.length === 1 && bias.shape[0] === size;
    const parts = isBiased && bias !== undefined ? [...weights, bias] : weights;
    const key = `${product.op} ${valueKey(x)} ${JSON.stringify(product.attrs)} ${product.operands.length} ${parts.length}`;
    const found: Product = { product, root: isBiased ? addition : product, size, parts };
    groups.set(key, [...(groups.get(key) ?? []), found]);
  }

  const several = [...groups.values()].filter((group) => group.length > 1);
  // Layers that share their weights have a group each over the same inputs.
  const inGroups = new Map<Node, number>();
  for (const { parts } of several.flat()) for (const { node } of parts) inGroups.set(node, (inGroups.get(node) ?? 0) + 1);
  return several.filter((group) => group.every(({ parts }) => parts.every(({ node }) => inGroups.get(node) === uses.get(node))));
}

function isJoinable(node: Node): boolean {
  if (node.op === 'matmul') return at(node.operands, 1).shape.length === 2 && !attrsOf(node, 'matmul').transposeA;
  // A fixed grid of activations belongs to its weight.
  return node.op === 'matmulNBits' || (node.op === 'matmulInt8' && node.operands.length === 3);
}

/** One part of all products' weights, one behind the other along the axis of the results' columns. */
function joinTensors(group: readonly Product[], part: number, frozen: FrozenGraph['frozen']): HostTensor {
  const { product } = at(group, 0);
  const isColumns = product.op === 'matmul' && part === 0 && !attrsOf(product, 'matmul').transposeB;
  const tensors = group.map(({ parts, size }) => {
    const tensor = frozen.get(inputName(at(parts, part)));
    invariant(tensor !== undefined, 'parts of joined products are frozen');
    // One scale for all rows of an integer matrix.
    return product.op === 'matmulInt8' && tensor.shape.length === 1 && tensor.shape[0] === 1 ? repeated(tensor, size) : tensor;
  });
  return isColumns ? sideBySide(tensors) : behindEachOther(tensors);
}

function repeated(tensor: HostTensor, count: number): HostTensor {
  const result = hostTensor(tensor.dtype, [count]);
  (result.data as Float32Array).fill(Number(tensor.data[0]));
  return result;
}

function behindEachOther(tensors: readonly HostTensor[]): HostTensor {
  const first = at(tensors, 0);
  const rows = tensors.reduce((total, { shape }) => total + at(shape, 0), 0);
  const result = hostTensor(first.dtype, [rows, ...first.shape.slice(1)]);
  let offset = 0;
  for (const { data } of tensors) {
    (result.data as Float32Array).set(data as Float32Array, offset);
    offset += data.length;
  }
  return result;
}

/** [K, N] each -> [K, ΣN] */
function sideBySide(tensors: readonly HostTensor[]): HostTensor {
  const first = at(tensors, 0);
  const K = at(first.shape, 0);
  const columns = tensors.reduce((total, { shape }) => total + at(shape, 1), 0);
  const result = hostTensor(first.dtype, [K, columns]);
  let offset = 0;
  for (const { data, shape } of tensors) {
    const N = at(shape, 1);
    for (let row = 0; row < K; row++)
      (result.data as Float32Array).set((data as Float32Array).subarray(row * N, (row + 1) * N), row * columns + offset);
    offset += N;
  }
  return result;
}

// Lowers a whole graph to an ONNX model.
import { at, invariant } from '#base';
import { attrsOf, type Graph, type Node, opName, ops, topologicalOrder, type Value } from '#graph';
import { type HostTensor, sameShape } from '#tensor';
import { addedRows, addRows } from './added-rows-fusion.ts';
import type { Int8Weights, LoweringContext, NarrowProducts } from './lowering.ts';
import { biasedInt8Product, type Int8Kernels } from './lowerings/int8.ts';
import { ownGroupedProduct } from './lowerings/own-n-bits.ts';
import { roundedProduct } from './lowerings/rounded.ts';
import { lowerings } from './lowerings.ts';
import { ModelBuilder, type Ref } from './model-builder.ts';
import { subtractedOneHots, subtractOneHot } from './one-hot-fusion.ts';
import type { OnnxModel } from './onnx-proto.ts';
import { type BiasedProduct, biasedProducts } from './product-bias-fusion.ts';
import { summedSquares, sumSquares } from './square-sum-fusion.ts';

export interface LowerOptions {
  readonly name: string;
  /** Inputs that become initializers. */
  readonly frozen: ReadonlyMap<string, HostTensor>;
  /** For export: avoid operators outside the published sets. */
  readonly portable: boolean;
  /** What `probeNBits` found; none when absent. */
  readonly nBitsKernels?: ReadonlySet<number>;
  /** What `probeInt8` found. */
  readonly int8Weights?: Int8Weights | undefined;
  /** What `probeOwnKernels` found. @default false */
  readonly ownKernels?: boolean;
  /** What `probeProducts` found; none when absent. */
  readonly narrowProducts?: NarrowProducts;
}

type AnyLowering = (operands: readonly Ref[], attrs: object, emit: ModelBuilder, context: LoweringContext) => Ref | readonly Ref[];

/** ONNX inputs are the graph's inputs without the frozen ones, in order; outputs are the graph's. */
export function lowerGraph(graph: Graph, options: LowerOptions): OnnxModel {
  const emit = new ModelBuilder();
  const { portable, int8Weights, ownKernels = false, nBitsKernels = new Set<number>(), narrowProducts = new Map() } = options;
  const devices = { portable, int8Weights, ownKernels, nBitsKernels, narrowProducts };
  const refs = new Map<Node, readonly Ref[]>();
  for (const { name, value } of graph.inputs) {
    const tensor = options.frozen.get(name);
    refs.set(value.node, [tensor === undefined ? emit.input(name, value.dtype, value.shape) : emit.frozen(name, value.shape, tensor)]);
  }
  const order = topologicalOrder(graph);
  const usedResults = new Map<Node, Set<number>>();
  const markUsed = ({ node, index }: Value): void => {
    const used = usedResults.get(node);
    if (used === undefined) usedResults.set(node, new Set([index]));
    else used.add(index);
  };
  for (const node of order) node.operands.forEach(markUsed);
  for (const { value } of graph.outputs) markUsed(value);
  const implicit = implicitBroadcasts(graph, order);
  const subtracted = subtractedOneHots(graph, order);
  const squares = summedSquares(graph, order);
  const rows = addedRows(graph, order);
  const biased: ReadonlyMap<Node, BiasedProduct> =
    portable || int8Weights === undefined ? new Map() : biasedProducts(graph, order, { int8Weights, ownKernels, frozen: options.frozen });
  const withBias = new Set([...biased.values()].map(({ product }) => product));

  const refOf = ({ node, index }: Value): Ref => {
    const results = refs.get(node);
    invariant(results !== undefined, `${node.op} #${node.id} is used before it is made; is an input missing from the graph?`);
    return at(results, index);
  };
  for (const node of order) {
    if (refs.has(node)) continue;
    const name = opName(node);
    invariant(name !== 'input', `input node #${node.id} is not among the graph's inputs`);
    const operands = node.operands.map(refOf);
    // None of them needs a node of its own: what stands for it is its operand.
    if (implicit.has(node) || subtracted.has(node) || squares.has(node) || withBias.has(node)) {
      refs.set(node, operands.slice(0, 1));
      continue;
    }
    emit.setPlace(node.place === '' ? node.op : `${node.place}/${node.op}`);
    if (node.op === 'sub' && subtracted.has(at(node.operands, 1).node)) {
      refs.set(node, [subtractOneHot(at(operands, 0), at(operands, 1), at(node.operands, 1).node, emit)]);
      continue;
    }
    // What stands for added rows is used only by the addition, which reads their operands itself.
    if (rows.has(node)) {
      refs.set(node, operands.slice(0, 1));
      continue;
    }
    const added = node.op === 'add' ? node.operands.findLast((operand) => rows.has(operand.node))?.node : undefined;
    if (added !== undefined) {
      const base = at(operands, at(node.operands, 1).node === added ? 0 : 1);
      const [ids, updates] = added.operands.map(refOf);
      invariant(ids !== undefined && updates !== undefined, 'scatterAdd has two operands');
      refs.set(node, [addRows(base, ids, updates, emit)]);
      continue;
    }
    if (node.op === 'reduceSum' && squares.has(at(node.operands, 0).node)) {
      refs.set(node, [sumSquares(at(operands, 0), node, emit)]);
      continue;
    }
    const biasedProduct = biased.get(node);
    if (biasedProduct !== undefined && int8Weights !== undefined) {
      const { product, bias } = biasedProduct;
      const factors = product.operands.map(refOf);
      refs.set(node, [lowerBiased(product, factors, refOf(bias), { int8Weights, ownKernels }, emit)]);
      continue;
    }
    // The table pairs each name with its own operand count and attributes, which the union type of its rows cannot say.
    const lowering = lowerings[name] as AnyLowering;
    const isUsed = (index: number): boolean => usedResults.get(node)?.has(index) === true;
    const results = lowering(operands, node.attrs, emit, { node, isUsed, refOf, ...devices });
    refs.set(node, typeof results === 'string' ? [results] : results);
  }
  describeResults(refs, emit);
  // ONNX has one name space for values: an output that is updated in place may not carry its input's name. Results are matched by position.
  const inputNames = new Set(graph.inputs.map(({ name }) => name));
  for (const { name, value } of graph.outputs)
    emit.output(inputNames.has(name) ? `${name}:result` : name, refOf(value), value.dtype, value.shape);
  return emit.finish(options.name);
}

function lowerBiased(product: Node, factors: readonly Ref[], bias: Ref, kernels: Int8Kernels, emit: ModelBuilder): Ref {
  switch (product.op) {
    case 'roundedMatmul':
      return roundedProduct(factors, product, bias, emit);
    case 'matmulNBits':
      return ownGroupedProduct(at(factors, 0), factors.slice(1), bias, attrsOf(product, 'matmulNBits'), emit);
    default:
      return biasedInt8Product(factors, bias, kernels, emit);
  }
}

/** Nodes that stand for another's operand come after it, and do not say what it is. */
function describeResults(refs: ReadonlyMap<Node, readonly Ref[]>, emit: ModelBuilder): void {
  const known = new Set<Ref>();
  for (const [node, results] of refs)
    results.forEach((ref, index) => {
      if (known.has(ref)) return;
      known.add(ref);
      const { dtype, shape } = at(node.types, index);
      emit.describe(ref, dtype, shape);
    });
}

/**
 * Broadcasts that need no node: every use is an elementwise op beside an operand that already has the full shape, so
 * ONNX's own broadcasting gives the same result without the copy.
 */
function implicitBroadcasts(graph: Graph, order: readonly Node[]): ReadonlySet<Node> {
  const candidates = new Set(order.filter((node) => node.op === 'broadcastTo'));
  for (const { value } of graph.outputs) candidates.delete(value.node);
  for (const node of order) {
    const isElementwise = ops[opName(node)].traits?.includes('elementwise') === true;
    for (const operand of node.operands) {
      if (!candidates.has(operand.node)) continue;
      const shape = at(node.types, 0).shape;
      const isShapeKept = node.operands.some((other) => other.node.op !== 'broadcastTo' && sameShape(other.shape, shape));
      if (!isElementwise || !isShapeKept) candidates.delete(operand.node);
    }
  }
  return candidates;
}

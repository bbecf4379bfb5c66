// Plain evaluation of a whole graph: every op by its own definition, in float64.
import { AppError, at, invariant, throwIfCancelled, yieldToEventLoop } from '#base';
import { attrsOf, definitionOf, type Graph, type Node, opName, type PlainTensor, topologicalOrder } from '#graph';
import { bindShape, evaluateShape, printShape } from '#tensor';

const nodesBetweenYields = 64;

/**
 * Evaluates the outputs of a graph.
 *
 * @param inputs - by name; float tensors are exact in float64, so are integers below 2^53
 */
export async function evaluateGraph(
  graph: Graph,
  inputs: ReadonlyMap<string, PlainTensor>,
  signal: AbortSignal = new AbortController().signal,
): Promise<Map<string, PlainTensor>> {
  const bindings = new Map<string, number>();
  for (const { name, value } of graph.inputs) {
    const tensor = inputs.get(name);
    if (tensor === undefined) throw new AppError('invalid_argument', `input "${name}" is missing.`);
    bindShape(value.shape, tensor.shape, bindings, `input "${name}"`);
  }
  // Expressions can be checked once every symbol is known.
  for (const { name, value } of graph.inputs) {
    const [expected, actual] = [evaluateShape(value.shape, bindings), inputs.get(name)?.shape ?? []].map(printShape);
    if (expected !== actual) throw new AppError('shape_mismatch', `input "${name}": expected ${expected}, got ${actual}.`);
  }
  const order = topologicalOrder(graph);
  const remainingUses = countUses(graph, order);
  const results = new Map<Node, readonly PlainTensor[]>();

  for (const [index, node] of order.entries()) {
    if (index % nodesBetweenYields === 0) await yieldToEventLoop();
    throwIfCancelled(signal);
    results.set(node, evaluateNode(node, results, inputs, bindings));
    for (const operand of node.operands) {
      const left = (remainingUses.get(operand.node) ?? 0) - 1;
      remainingUses.set(operand.node, left);
      if (left === 0) results.delete(operand.node);
    }
  }
  return new Map(
    graph.outputs.map(({ name, value }) => {
      const made = results.get(value.node);
      invariant(made !== undefined, `output "${name}" was not computed`);
      return [name, at(made, value.index)];
    }),
  );
}

function evaluateNode(
  node: Node,
  results: ReadonlyMap<Node, readonly PlainTensor[]>,
  inputs: ReadonlyMap<string, PlainTensor>,
  bindings: ReadonlyMap<string, number>,
): readonly PlainTensor[] {
  if (node.op === 'input') {
    const { name } = attrsOf(node, 'input');
    const bound = inputs.get(name);
    invariant(bound !== undefined, `input "${name}" is not listed by the graph`);
    return [bound];
  }
  const operands = node.operands.map((operand) => {
    const made = results.get(operand.node);
    invariant(made !== undefined, `operand of ${node.op} was dropped too early`);
    return at(made, operand.index);
  });
  const shapes = node.types.map((type) => evaluateShape(type.shape, bindings));
  const made = definitionOf(opName(node)).evaluate(operands, node.attrs, shapes, node.types, bindings);
  return 'data' in made ? [made] : made;
}

function countUses(graph: Graph, order: readonly Node[]): Map<Node, number> {
  const uses = new Map<Node, number>();
  const count = (node: Node): void => {
    uses.set(node, (uses.get(node) ?? 0) + 1);
  };
  for (const node of order) for (const operand of node.operands) count(operand.node);
  for (const { value } of graph.outputs) count(value.node);
  return uses;
}

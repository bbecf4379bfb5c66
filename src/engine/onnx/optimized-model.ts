// Reads a model back as the runtime has rewritten it.
import { at } from '#base';
import { type WireValue, wireFields, wireMessage, wireText } from './wire-reader.ts';

/** A node as far as memory goes. */
export interface OptimizedNode {
  readonly opType: string;
  readonly name: string;
  /** An empty name stands for an operand that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

export interface OptimizedModel {
  readonly nodes: readonly OptimizedNode[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Names of the weights and constants. */
  readonly initializers: readonly string[];
}

/** Fields of ModelProto, GraphProto, NodeProto, TensorProto and ValueInfoProto that are read. */
const fields = {
  model: { graph: 7 },
  graph: { node: 1, initializer: 5, input: 11, output: 12 },
  node: { input: 1, output: 2, name: 3, opType: 4 },
  tensor: { name: 8 },
  value: { name: 1 },
} as const;

/** @param bytes - ModelProto @throws RangeError where it is cut off */
export function readOptimizedModel(bytes: Uint8Array): OptimizedModel {
  const nodes: OptimizedNode[] = [];
  const names = { initializers: [] as string[], inputs: [] as string[], outputs: [] as string[] };
  for (const { field, value: graph } of wireFields(bytes)) {
    if (field !== fields.model.graph) continue;
    for (const { field: part, value } of wireMessage(graph)) {
      if (part === fields.graph.node) nodes.push(readNode(value));
      else if (part === fields.graph.initializer) names.initializers.push(nameIn(value, fields.tensor.name));
      else if (part === fields.graph.input) names.inputs.push(nameIn(value, fields.value.name));
      else if (part === fields.graph.output) names.outputs.push(nameIn(value, fields.value.name));
    }
  }
  return { nodes, ...names };
}

function readNode(bytes: WireValue): OptimizedNode {
  let [opType, name] = ['', ''];
  const inputs: string[] = [];
  const outputs: string[] = [];
  for (const { field, value } of wireMessage(bytes)) {
    if (field === fields.node.input) inputs.push(wireText(value));
    else if (field === fields.node.output) outputs.push(wireText(value));
    else if (field === fields.node.name) name = wireText(value);
    else if (field === fields.node.opType) opType = wireText(value);
  }
  return { opType, name, inputs, outputs };
}

function nameIn(message: WireValue, nameField: number): string {
  for (const { field, value } of wireMessage(message)) if (field === nameField) return wireText(value);
  return '';
}

/**
 * The nodes in the order in which the runtime runs them: depth first from the nodes that nobody reads, the last one first, and of the operands of a
 * node the one that was made last first.
 *
 * @param nodes - as they were numbered when the model was loaded
 * @see onnxruntime, core/graph/graph_viewer.cc
 */
export function executionOrder(nodes: readonly OptimizedNode[]): readonly OptimizedNode[] {
  const producers = new Map<string, number>();
  for (const [index, { outputs }] of nodes.entries()) for (const output of outputs) producers.set(output, index);
  const operandsOf = ({ inputs }: OptimizedNode): number[] =>
    [...new Set(inputs.flatMap((name) => producers.get(name) ?? []))].sort((a, b) => a - b);
  const isRead = new Set(nodes.flatMap(operandsOf));
  const stack = nodes.flatMap((_, index) => (isRead.has(index) ? [] : [{ index, isDone: false }]));
  const seen = new Set<number>();
  const ordered: OptimizedNode[] = [];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const node = at(nodes, top.index);
    if (top.isDone) {
      ordered.push(node);
      continue;
    }
    if (seen.has(top.index)) continue;
    seen.add(top.index);
    stack.push({ index: top.index, isDone: true });
    for (const index of operandsOf(node)) if (!seen.has(index)) stack.push({ index, isDone: false });
  }
  return ordered;
}

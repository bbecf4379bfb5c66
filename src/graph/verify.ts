// The rules that a legal graph obeys, checked after building, after differentiation and after every pass in tests.
import { invariant } from '#base';
import { dimTerms, type Shape, sameShape } from '#tensor';
import { printType } from './builder.ts';
import { orderFrom } from './order.ts';
import { attrsOf, definitionOf, opName } from './registry.ts';
import type { Graph, Node, Value } from './types.ts';

/**
 * Checks a whole graph.
 *
 * Rules: names of inputs and of outputs are unique; every listed input is an input node of that name, and every input node reached is listed; every node's types are what its op
 * infers from its operands; every value's type is its node's; every symbol in a shape is a plain dimension of some input.
 *
 * @throws InvariantError naming the node and the rule, or the AppError of the op whose operands do not fit
 */
export function verifyGraph(graph: Graph): void {
  unique(
    graph.inputs.map(({ name }) => name),
    'input',
  );
  unique(
    graph.outputs.map(({ name }) => name),
    'output',
  );
  for (const { name, value } of graph.inputs)
    invariant(
      value.node.op === 'input' && attrsOf(value.node, 'input').name === name,
      `graph input "${name}" is a ${describe(value.node)}, not the input node of that name`,
    );
  for (const { name, value } of graph.outputs) verifyValue(value, `output "${name}"`);
  const listed = new Set(graph.inputs.map(({ value }) => value.node));
  const symbols = boundSymbols(graph);
  for (const node of orderFrom(graph.outputs.map(({ value }) => value))) {
    verifyNode(node);
    if (node.op === 'input') invariant(listed.has(node), `input "${attrsOf(node, 'input').name}" is used but not listed`);
    for (const type of node.types) verifySymbols(type.shape, symbols, node);
  }
}

function verifyNode(node: Node): void {
  const name = opName(node);
  for (const operand of node.operands) {
    verifyValue(operand, `${describe(node)}: operand`);
    invariant(operand.node.id < node.id, `${describe(node)}: operand was made after it`);
  }
  const inferred = definitionOf(name).infer(node.operands, node.attrs, describe(node));
  const types = 'dtype' in inferred ? [inferred] : inferred;
  invariant(types.length === node.types.length, `${describe(node)}: has ${node.types.length} results, its op has ${types.length}`);
  types.forEach((type, index) => {
    const kept = node.types[index];
    invariant(
      kept !== undefined && kept.dtype === type.dtype && sameShape(kept.shape, type.shape),
      `${describe(node)}: result ${index} is typed ${kept === undefined ? 'nothing' : printType(kept)}, its op infers ${printType(type)}`,
    );
  });
}

function verifyValue(value: Value, place: string): void {
  const type = value.node.types[value.index];
  invariant(type !== undefined, `${place}: result ${value.index} of ${value.node.op} does not exist`);
  invariant(
    type.dtype === value.dtype && sameShape(type.shape, value.shape),
    `${place} says ${printType(value)}, its node says ${printType(type)}`,
  );
}

function verifySymbols(shape: Shape, symbols: ReadonlySet<string>, node: Node): void {
  for (const dim of shape)
    for (const term of dimTerms(dim))
      for (const symbol of term.symbols)
        invariant(symbols.has(symbol), `${describe(node)}: no input has a plain dimension ${symbol}, which its shape needs`);
}

/** Symbols that some input has as a whole dimension, so that a run can bind them. */
export function boundSymbols(graph: Graph): ReadonlySet<string> {
  const symbols = new Set<string>();
  for (const { value } of graph.inputs)
    for (const dim of value.shape) if (typeof dim === 'string' && /^[A-Za-z_]\w*$/.test(dim)) symbols.add(dim);
  return symbols;
}

function unique(names: readonly string[], kind: string): void {
  const seen = new Set<string>();
  for (const name of names) {
    invariant(!seen.has(name), `two graph ${kind}s are named "${name}"`);
    seen.add(name);
  }
}

function describe(node: Node): string {
  return node.place === '' ? `${node.op} #${node.id}` : `${node.op} "${node.place}"`;
}

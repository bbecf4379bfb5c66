// A graph as text: one line a node, values numbered in order of use.
import type { HostTensor } from '#tensor';
import { printType } from './builder.ts';
import { topologicalOrder } from './order.ts';
import type { Graph, Node, Value } from './types.ts';

/** Prints a graph, for people and for snapshot tests. Equal graphs print equally, whatever their node numbers. */
export function printGraph(graph: Graph): string {
  const numbers = new Map<Node, number>();
  const lines: string[] = [];
  const name = (value: Value): string => {
    const number = numbers.get(value.node) ?? '?';
    return value.node.types.length === 1 ? `%${number}` : `%${number}.${value.index}`;
  };
  for (const node of topologicalOrder(graph)) {
    numbers.set(node, numbers.size);
    const operands = node.operands.map(name).join(', ');
    const attrs = printAttrs(node.attrs);
    const types = node.types.map(printType).join(', ');
    const place = node.place === '' ? '' : `  # ${node.place}`;
    lines.push(`%${numbers.size - 1} = ${node.op}(${operands})${attrs === '' ? '' : ` {${attrs}}`} : ${types}${place}`);
  }
  for (const output of graph.outputs) lines.push(`return ${output.name} = ${name(output.value)}`);
  return `${lines.join('\n')}\n`;
}

function printAttrs(attrs: object): string {
  return Object.entries(attrs)
    .filter(([key]) => key !== 'dtype' && key !== 'shape')
    .map(([key, value]) => `${key}: ${isTensor(value) ? printTensor(value) : JSON.stringify(value)}`)
    .join(', ');
}

function isTensor(value: unknown): value is HostTensor {
  return typeof value === 'object' && value !== null && 'data' in value && 'dtype' in value;
}

function printTensor(tensor: HostTensor): string {
  const shown = Array.from(tensor.data.slice(0, 4), String).join(', ');
  return tensor.data.length > 4 ? `[${shown}, …]` : `[${shown}]`;
}

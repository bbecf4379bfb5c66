// Mixed precision: matrix products take and give 16-bit floats, and everything else stays in float32.
import { at } from '#base';
import type { NarrowFloat } from '#tensor';
import { GraphBuilder } from '../builder.ts';
import { valueKey } from '../order.ts';
import type { Graph, GraphInput, Value } from '../types.ts';
import { rewriteGraph } from './rewrite.ts';

/** What is handed over and taken in the narrow type, by name; everything else keeps its type. */
export interface NarrowEnds {
  readonly inputs: ReadonlySet<string>;
  readonly outputs: ReadonlySet<string>;
}

/**
 * Rewrites every product of float32 matrices, those of attention included, to one in `dtype` between casts. For graphs that are differentiated
 * already: forward and backward products alike. Inputs, outputs, norms, softmax, losses, sums and whatever else there is keep float32, so weights that a
 * training updates stay in float32 and are rounded for each step.
 *
 * A value is cast once for all its products. Between two products through which numbers only move nothing is widened.
 *
 * @param ends - float32 inputs and outputs that become narrow themselves: weights that never change, and caches. Absent: none.
 * @see Micikevicius et al., "Mixed Precision Training", ICLR 2018, §3.1 and §3.3. We differ: elementwise ops stay in float32 too.
 */
export function mixPrecision(graph: Graph, dtype: NarrowFloat, ends?: NarrowEnds): Graph {
  const narrowed = new Map<string, Value>();
  const inputs = graph.inputs.map((input) => (ends?.inputs.has(input.name) === true ? narrowInput(input, dtype) : input));
  const replaced = new Map(graph.inputs.map(({ value }, index) => [value.node, at(inputs, index).value]));
  const { outputs } = rewriteGraph(graph, (node, operands, b) => {
    const toNarrow = (operand: Value): Value => narrow(operand, dtype, narrowed, b);
    const toWide = (value: Value): Value => b.cast(value, 'float32');
    const type = at(node.types, 0).dtype;
    if (node.op === 'input') {
      const value = replaced.get(node);
      return value === undefined || value.node === node ? undefined : [b.cast(value, 'float32')];
    }
    if (type !== 'float32') return undefined;
    if (node.op === 'matmul') return b.apply('matmul', operands.map(toNarrow), node.attrs).map(toWide);
    if (node.op === 'groupQueryAttention' || node.op === 'biasedGroupQueryAttention') {
      const given = operands.map((operand) => (operand.dtype === 'float32' ? toNarrow(operand) : operand));
      return b.apply(node.op, given, node.attrs).map(toWide);
    }
    // Rows of a narrow table: the table is not widened for them.
    const [table] = operands;
    if (node.op === 'gather' && table !== undefined && widenedFrom(table, dtype) !== undefined)
      return b.apply('gather', [toNarrow(table), at(operands, 1)], node.attrs).map(toWide);
    return undefined;
  });
  if (ends === undefined) return { inputs, outputs };
  const end = new GraphBuilder();
  const narrowEnd = (value: Value): Value => narrow(value, dtype, narrowed, end);
  return {
    inputs,
    outputs: outputs.map(({ name, value }) => ({ name, value: ends.outputs.has(name) ? narrowEnd(value) : value })),
  };
}

function narrowInput({ name, value }: GraphInput, dtype: NarrowFloat): GraphInput {
  return value.dtype === 'float32' ? { name, value: new GraphBuilder().input(name, dtype, value.shape) } : { name, value };
}

function narrow(value: Value, dtype: NarrowFloat, known: Map<string, Value>, b: GraphBuilder): Value {
  const key = valueKey(value);
  const before = known.get(key);
  if (before !== undefined) return before;
  const made = widenedFrom(value, dtype) ?? moved(value, dtype, known, b) ?? b.cast(value, dtype);
  known.set(key, made);
  return made;
}

/** What was narrow before, and has been widened only. */
function widenedFrom({ node }: Value, dtype: NarrowFloat): Value | undefined {
  const [source] = node.operands;
  return node.op === 'cast' && source?.dtype === dtype ? source : undefined;
}

function moved({ node }: Value, dtype: NarrowFloat, known: Map<string, Value>, b: GraphBuilder): Value | undefined {
  const [source] = node.operands;
  if (source === undefined || !(node.op === 'reshape' || node.op === 'transpose')) return undefined;
  // Rounding before numbers move is rounding after it.
  return at(b.apply(node.op, [narrow(source, dtype, known, b)], node.attrs), 0);
}

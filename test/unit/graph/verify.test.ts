// Every rule of a legal graph, broken on purpose with nodes made by hand.
import { describe, expect, it } from 'vitest';
import { type Graph, GraphBuilder, type Node, type TensorType, type Value, verifyGraph } from '#graph';
import { float32 } from '#tensor';

const b = new GraphBuilder('h.0');
const x = b.input('x', 'float32', ['B', 3]);
const sum = b.add(x, x);

const node = (op: string, operands: readonly Value[], types: readonly TensorType[], attrs: object = {}, id = 1e9): Node => ({
  id,
  op,
  operands,
  attrs,
  types,
  place: 'h.0',
});
const resultOf = (made: Node, index = 0): Value => ({ node: made, index, ...made.types[index]! });
const type = (...shape: (string | number)[]): TensorType => ({ dtype: 'float32', shape });
const graphOf = (y: Value, inputs: Graph['inputs'] = b.inputs): Graph => ({ inputs, outputs: [{ name: 'y', value: y }] });

describe('verifyGraph', () => {
  it('accepts what the builder makes', () => {
    expect(() => verifyGraph(b.graph({ sum, x }))).not.toThrow();
  });

  const broken: Record<string, [Graph, RegExp]> = {
    'two inputs of one name': [graphOf(sum, [...b.inputs, ...b.inputs]), /two graph inputs are named "x"/],
    'two outputs of one name': [
      {
        inputs: b.inputs,
        outputs: [
          { name: 'y', value: sum },
          { name: 'y', value: x },
        ],
      },
      /two graph outputs are named "y"/,
    ],
    'an input that is used but not listed': [graphOf(sum, []), /input "x" is used but not listed|no input has a plain dimension B/],
    'a static input that is not listed': [
      graphOf(resultOf(node('input', [], [type(2)], { name: 'z', dtype: 'float32', shape: [2] })), []),
      /input "z" is used but not listed/,
    ],
    'a listed input of another name': [
      graphOf(sum, [{ name: 'other', value: x }]),
      /graph input "other" is a input.*not the input node of that name/,
    ],
    'a listed input that is computed': [graphOf(sum, [...b.inputs, { name: 'sum', value: sum }]), /graph input "sum" is a add "h\.0"/],
    'an unknown op': [graphOf(resultOf(node('frobnicate', [x], [type('B', 3)]))), /unknown op frobnicate/],
    'an op that only objects have': [graphOf(resultOf(node('toString', [x], [type('B', 3)]))), /unknown op toString/],
    'a result that does not exist': [
      graphOf(resultOf(node('neg', [{ ...x, index: 1 }], [type('B', 3)]))),
      /result 1 of input does not exist/,
    ],
    'an operand of another shape than its node says': [
      graphOf(resultOf(node('neg', [{ ...x, shape: ['B', 4] }], [type('B', 4)]))),
      /neg "h\.0": operand says float32 \[B, 4\], its node says float32 \[B, 3\]/,
    ],
    'an operand of another type than its node says': [
      graphOf(resultOf(node('neg', [{ ...x, dtype: 'float64' }], [type('B', 3)]))),
      /operand says float64 \[B, 3\], its node says float32/,
    ],
    'an output of another shape than its node says': [graphOf({ ...sum, shape: [3] }), /output "y" says float32 \[3\]/],
    'an output whose result does not exist': [graphOf({ ...sum, index: 2 }), /output "y": result 2 of add does not exist/],
    'a node that is older than its operand': [graphOf(resultOf(node('neg', [sum], [type('B', 3)], {}, 0))), /operand was made after it/],
    'a result that the op does not infer': [
      graphOf(resultOf(node('neg', [x], [type('B', 4)]))),
      /result 0 is typed float32 \[B, 4\], its op infers float32 \[B, 3\]/,
    ],
    'too many results': [graphOf(resultOf(node('neg', [x], [type('B', 3), type('B', 3)]))), /has 2 results, its op has 1/],
    'operands that do not fit': [
      graphOf(resultOf(node('add', [x, b.constant(float32([2], [1, 2]))], [type('B', 3)]))),
      /\[shape_mismatch\] add "h\.0": \[B, 3\] and \[2\] do not broadcast/,
    ],
    'a symbol that no input has': [graphOf(b.range('T')), /no input has a plain dimension T/],
  };
  it.each(Object.entries(broken))('refuses %s', (_, [graph, message]) => {
    expect(() => verifyGraph(graph)).toThrow(message);
  });

  it('does not take an expression of an input for a symbol', () => {
    const other = new GraphBuilder();
    const y = other.input('y', 'float32', ['B*T']);
    expect(() => verifyGraph(other.graph({ y }))).toThrow(/no input has a plain dimension B/);
  });
});

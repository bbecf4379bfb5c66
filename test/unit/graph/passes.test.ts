// Each pass on a graph that it should change, and all of them on random graphs, where values must not change.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { evaluateOnHost } from '#engine/reference';
import {
  type Graph,
  GraphBuilder,
  gradients,
  type Node,
  optimizeGraph,
  printGraph,
  topologicalOrder,
  type Value,
  verifyGraph,
} from '#graph';
import { float32, hostTensor, sizeOf } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { anyProgram, makeRandomGraph } from './random-graphs.ts';

/** The optimized graph as text, without the lines of the inputs. */
function optimized(build: (b: GraphBuilder) => Record<string, Value>): string {
  const b = new GraphBuilder();
  const graph = b.graph(build(b));
  return printGraph(optimizeGraph(graph, { verify: true }))
    .split('\n')
    .filter((line) => !line.includes(' = input('))
    .join('\n')
    .trim();
}

const nodesOf = (graph: Graph): Node[] => topologicalOrder(graph);
const opsOf = (graph: Graph): string[] => nodesOf(graph).map(({ op }) => op);

describe('constant folding', () => {
  it('computes what depends on constants alone', () => {
    const text = optimized((b) => ({ y: b.mul(b.input('x', 'float32', [2]), b.exp(b.sub(b.scalar(3, 'float32'), 3))) }));
    expect(text).toBe('return y = %0');
  });

  it('drops additions of 0 and products by 1, but not where they broadcast', () => {
    const text = optimized((b) => {
      const x = b.input('x', 'float32', [2]);
      const zeros = b.constant(float32([1, 1], [0]));
      return { y: b.div(b.sub(b.add(b.mul(1, x), 0), 0), 1), wider: b.add(x, zeros) };
    });
    expect(text).toBe('%1 = constant() {value: [0]} : float32 [1, 1]\n%2 = add(%0, %1) : float32 [1, 2]\nreturn y = %0\nreturn wider = %2');
  });

  it('leaves large results and rows at positions that a run fixes', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['S']);
    const table = b.constant(float32([3, 1], [10, 20, 30]));
    const graph = optimizeGraph(
      b.graph({ row: b.slice(table, 0, 'S', 'S+1'), large: b.broadcastTo(b.scalar(2, 'float32'), [200, 200]), x }),
      { verify: true },
    );
    expect(opsOf(graph)).toEqual(expect.arrayContaining(['slice', 'broadcastTo']));
  });
});

describe('scales before matrix products', () => {
  const withScale = (outputs: (b: GraphBuilder, scaled: Value, w: Value) => Record<string, Value>): Graph => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [4, 3]);
    const w = b.input('w', 'float32', [3, 3]);
    // What the gradient of a mean over four tokens looks like.
    const scaled = b.mul(b.exp(x), b.constant(float32([4, 1], [0.25, 0.25, 0.25, 0.25])));
    return optimizeGraph(b.graph(outputs(b, scaled, w)), { verify: true });
  };
  const numMultiplications = (graph: Graph): number => topologicalOrder(graph).filter(({ op }) => op === 'mul').length;

  it('become scales of the products when nothing else reads the scaled tensor', () => {
    const graph = withScale((b, scaled, w) => ({ y: b.matmul(scaled, w), z: b.matmul(scaled, scaled, { transposeA: true }) }));
    expect(numMultiplications(graph)).toBe(0);
    expect(printGraph(graph)).toContain('scale: 0.25');
    expect(printGraph(graph)).toContain('scale: 0.0625');
  });

  it('stay when another op or an output reads the scaled tensor', () => {
    expect(numMultiplications(withScale((b, scaled, w) => ({ y: b.matmul(scaled, w), z: b.tanh(scaled) })))).toBe(1);
    expect(numMultiplications(withScale((b, scaled, w) => ({ y: b.matmul(scaled, w), scaled })))).toBe(1);
  });
});

describe('movement', () => {
  it('merges reshapes and transposes, and drops pairs that cancel', () => {
    const text = optimized((b) => {
      const x = b.input('x', 'float32', [2, 3, 4]);
      return {
        merged: b.reshape(b.reshape(x, [6, 4]), [3, 8]),
        same: b.reshape(b.reshape(x, [24]), [2, 3, 4]),
        turned: b.transpose(b.transpose(x, [1, 2, 0]), [2, 1, 0]),
        back: b.transpose(b.transpose(x, [1, 2, 0]), [2, 0, 1]),
      };
    });
    expect(text.split('\n')).toEqual([
      '%1 = reshape(%0) {} : float32 [3, 8]'.replace(' {}', ''),
      '%2 = transpose(%0) {permutation: [0,2,1]} : float32 [2, 4, 3]',
      'return merged = %1',
      'return same = %0',
      'return turned = %2',
      'return back = %0',
    ]);
  });

  it('lets elementwise ops broadcast by themselves, unless the shape comes from the broadcast', () => {
    const text = optimized((b) => {
      const [x, v] = [b.input('x', 'float32', [2, 3]), b.input('v', 'float32', [3])];
      const wide = b.broadcastTo(v, [2, 3]);
      return { y: b.mul(x, wide), needed: b.add(wide, b.broadcastTo(v, [2, 3])) };
    });
    expect(text).toContain('mul(%0, %1) : float32 [2, 3]');
    expect(text.match(/broadcastTo/g)).toHaveLength(1);
  });
});

describe('scales', () => {
  it('go into the matrix product before them', () => {
    const text = optimized((b) => {
      const x = b.input('x', 'float32', [2, 2]);
      return { y: b.mul(0.5, b.mul(b.matmul(x, x), 3)) };
    });
    expect(text).toBe('%1 = matmul(%0, %0) {transposeA: false, transposeB: false, scale: 1.5} : float32 [2, 2]\nreturn y = %1');
  });

  it('stay where the unscaled value is needed too', () => {
    const text = optimized((b) => {
      const x = b.input('x', 'float32', [2, 2]);
      const product = b.matmul(x, x);
      return { y: b.mul(product, 3), product };
    });
    expect(text).toContain('scale: 1}');
    expect(text).toContain('mul(');
  });

  it('stay where they would overflow or vanish together', () => {
    const text = optimized((b) => {
      const x = b.input('x', 'float32', [2]);
      return { large: b.mul(b.mul(x, 1e30), 1e30), small: b.mul(b.mul(x, 1e-30), 1e-30), fine: b.mul(b.mul(x, 4), 0.5) };
    });
    expect(text.match(/= mul/g)).toHaveLength(5);
  });
});

describe('common subexpressions', () => {
  it('are computed once, commutative operands in either order', () => {
    const text = optimized((b) => {
      const [x, y] = [b.input('x', 'float32', [2]), b.input('y', 'float32', [2])];
      return {
        p: b.add(b.exp(x), y),
        q: b.add(y, b.exp(x)),
        r: b.sub(x, y),
        s: b.sub(y, x),
        t: b.reduceSum(x, [0]),
        u: b.reduceSum(x, [0], true),
      };
    });
    expect(text.match(/= exp/g)).toHaveLength(1);
    expect(text.match(/= add/g)).toHaveLength(1);
    expect(text.match(/= sub/g)).toHaveLength(2);
    expect(text.match(/= reduceSum/g)).toHaveLength(2);
  });

  it('keep constants apart by type, shape and content', () => {
    const text = optimized((b) => {
      const x = b.input('x', 'float32', [2]);
      return {
        p: b.add(x, b.constant(float32([2], [1, 2]))),
        q: b.add(x, b.constant(float32([2], [1, 2]))),
        r: b.add(x, b.constant(float32([1, 2], [1, 2]))),
      };
    });
    expect(text.match(/= constant/g)).toHaveLength(2);
    expect(text.match(/= add/g)).toHaveLength(2);
  });
});

describe('joinProducts', () => {
  /** Loss of a head [V, D] that is applied to rows in pieces. */
  const headInPieces =
    (width: number) =>
    (b: GraphBuilder): Record<string, Value> => {
      const x = b.input('x', 'float32', [6, width]);
      const w = b.input('w', 'float32', [40, width]);
      const pieces = [0, 2, 4].map((start) => b.matmul(b.slice(x, 0, start, start + 2), w, { transposeB: true }));
      const loss = pieces.map((piece) => b.reduceSum(b.tanh(piece), [0, 1])).reduce((sum, term) => b.add(sum, term));
      const [dW, dX] = gradients(b, loss, [w, x]);
      return { dW: dW!, dX: dX! };
    };

  it('makes the gradient of a weight one product over all pieces', () => {
    const b = new GraphBuilder();
    const graph = optimizeGraph(b.graph(headInPieces(30)(b)), { verify: true });
    const products = nodesOf(graph).filter(({ op }) => op === 'matmul');
    // Three forward, three to the rows, one to the weight.
    expect(products).toHaveLength(7);
    expect(products.filter(({ types }) => types[0]!.shape.join() === '40,30')).toHaveLength(1);
  });

  it('leaves sums alone whose results are smaller than their operands', () => {
    const b = new GraphBuilder();
    const graph = optimizeGraph(b.graph(headInPieces(2)(b)), { verify: true });
    expect(opsOf(graph).filter((op) => op === 'matmul')).toHaveLength(9);
  });

  it('keeps a product that is needed by itself, and products of different scales', () => {
    const b = new GraphBuilder();
    const [p, q] = ['p', 'q'].map((name) => b.input(name, 'float32', [2, 30])) as [Value, Value];
    const [v, w] = ['v', 'w'].map((name) => b.input(name, 'float32', [2, 30])) as [Value, Value];
    const first = b.matmul(p, v, { transposeA: true });
    const shown = optimizeGraph(b.graph({ sum: b.add(first, b.matmul(q, w, { transposeA: true })), first }));
    expect(opsOf(shown)).toContain('add');
    const scaled = optimizeGraph(b.graph({ sum: b.add(first, b.matmul(q, w, { transposeA: true, scale: 2 })) }));
    expect(opsOf(scaled)).toContain('add');
    const joined = optimizeGraph(b.graph({ sum: b.add(first, b.matmul(q, w, { transposeA: true })) }));
    expect(opsOf(joined)).not.toContain('add');
  });

  it('computes the same', async () => {
    const b = new GraphBuilder();
    const graph = b.graph(headInPieces(30)(b));
    const random = new Random(3);
    const inputs = Object.fromEntries(
      graph.inputs.map(({ name, value }) => {
        const shape = value.shape as number[];
        return [
          name,
          float32(
            shape,
            Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
          ),
        ];
      }),
    );
    const [before, after] = [await evaluateOnHost(graph, inputs), await evaluateOnHost(optimizeGraph(graph), inputs)];
    for (const name of ['dW', 'dX']) expectAllClose(after[name]!.data, before[name]!.data, { absolute: 1e-9, relative: 1e-9 });
  });
});

describe('joinPads', () => {
  const parts = (b: GraphBuilder, ...widths: readonly number[]): Value[] => {
    const total = widths.reduce((sum, width) => sum + width, 0);
    let before = 0;
    return widths.map((width, index) => {
      const padded = b.pad(b.input(`p${index}`, 'float32', [2, width]), 1, before, total - before - width);
      before += width;
      return padded;
    });
  };

  it('makes the gradient of slices one concat', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['N', 9]);
    const w = b.constant(hostTensor('float32', [9, 9]));
    const qkv = b.matmul(x, w);
    const [q, k, v] = [0, 3, 6].map((start) => b.slice(qkv, 1, start, start + 3));
    const loss = b.reduceSum(b.mul(b.mul(b.tanh(q!), b.exp(k!)), v!), [0, 1]);
    const [dX] = gradients(b, loss, [x]);
    const graph = optimizeGraph(b.graph({ dX: dX! }), { verify: true });
    expect(opsOf(graph)).not.toContain('pad');
    expect(opsOf(graph).filter((op) => op === 'concat')).toHaveLength(1);
  });

  it('joins a tree of adds in any order, and a part of a larger sum', () => {
    const text = optimized((b) => {
      const [p, q, r, s] = parts(b, 1, 4, 2, 3) as [Value, Value, Value, Value];
      return { y: b.add(b.add(b.add(s, q), b.add(r, p)), b.input('z', 'float32', [2, 10])) };
    });
    expect(text.replace(/\d+ = /g, '')).not.toContain('pad');
    expect(text).toContain('concat(');
    expect(text.match(/= add/g)).toHaveLength(1);
  });

  it('puts the parts in the order of the axis', async () => {
    const b = new GraphBuilder();
    const [p, q, r] = parts(b, 1, 2, 1) as [Value, Value, Value];
    const graph = b.graph({ y: b.add(r, b.add(q, p)) });
    const inputs = { p0: float32([2, 1], [1, 2]), p1: float32([2, 2], [3, 4, 5, 6]), p2: float32([2, 1], [7, 8]) };
    const joined = optimizeGraph(graph, { verify: true });
    expect(opsOf(joined)).toContain('concat');
    expect((await evaluateOnHost(joined, inputs))['y']).toEqual((await evaluateOnHost(graph, inputs))['y']);
  });

  const refused: Record<string, (b: GraphBuilder) => Record<string, Value>> = {
    'a part is missing': (b) => {
      const [p, , r] = parts(b, 2, 2, 2);
      return { y: b.add(p!, r!) };
    },
    'parts overlap': (b) => ({ y: b.add(b.pad(b.input('p', 'float32', [4]), 0, 0, 2), b.pad(b.input('q', 'float32', [2]), 0, 3, 1)) }),
    'the axes differ': (b) => ({
      y: b.add(b.pad(b.input('p', 'float32', [1, 2]), 0, 0, 1), b.pad(b.input('q', 'float32', [2, 1]), 1, 1, 0)),
    }),
    'an add broadcasts': (b) => ({
      y: b.add(b.pad(b.input('p', 'float32', [1, 2]), 1, 0, 2), b.pad(b.input('q', 'float32', [3, 2]), 1, 2, 0)),
    }),
    'a size is symbolic': (b) => ({
      y: b.add(b.pad(b.input('p', 'float32', ['S']), 0, 0, 2), b.pad(b.input('q', 'float32', [2]), 0, 'S', 0)),
    }),
  };
  it.each(Object.entries(refused))('does nothing where %s', (_, build) => {
    const text = optimized(build);
    expect(text).toContain('pad(');
    expect(text).not.toContain('concat');
  });

  it('keeps an intermediate sum that is needed elsewhere', () => {
    const text = optimized((b) => {
      const [p, q, r] = parts(b, 2, 2, 2) as [Value, Value, Value];
      const partial = b.add(p, q);
      return { y: b.add(partial, r), partial };
    });
    expect(text.match(/= add/g)).toHaveLength(2);
    expect(text).not.toContain('concat');
  });
});

describe('optimizeGraph', () => {
  it('keeps the values of random graphs and of their gradients', async () => {
    await fc.assert(
      fc.asyncProperty(anyProgram, fc.nat(1000), async (program, seed) => {
        const { graph, inputs } = makeRandomGraph(program, seed);
        verifyGraph(graph);
        const faster = optimizeGraph(graph, { verify: true });
        expect(topologicalOrder(faster).length).toBeLessThanOrEqual(topologicalOrder(graph).length);
        const [before, after] = [await evaluateOnHost(graph, inputs), await evaluateOnHost(faster, inputs)];
        for (const [name, tensor] of Object.entries(before)) {
          expect(after[name]!.shape).toEqual(tensor.shape);
          expectAllClose(after[name]!.data, tensor.data, { relative: 1e-9, absolute: 1e-11, what: name });
        }
      }),
      { numRuns: 150 },
    );
  });

  it('changes nothing any more when it is run again', () => {
    fc.assert(
      fc.property(anyProgram, (program) => {
        // A second run may still find something; a third must not.
        const twice = optimizeGraph(optimizeGraph(optimizeGraph(makeRandomGraph(program, 1).graph)));
        expect(printGraph(optimizeGraph(twice))).toBe(printGraph(twice));
      }),
      { numRuns: 50 },
    );
  });

  it('keeps inputs that nothing uses, and names and order of outputs', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [1]);
    b.input('unused', 'float32', [1]);
    const graph = optimizeGraph(b.graph({ second: b.mul(x, 1), first: x }), { verify: true });
    expect(graph.inputs.map(({ name }) => name)).toEqual(['x', 'unused']);
    expect(graph.outputs.map(({ name }) => name)).toEqual(['second', 'first']);
  });
});

// Which products of a differentiated graph are rounded to 8 bits, and that nothing else changes.
import { describe, expect, it } from 'vitest';
import {
  type Graph,
  GraphBuilder,
  gradients,
  optimizeGraph,
  type RoundProductsOptions,
  roundProducts,
  topologicalOrder,
  type Value,
  verifyGraph,
} from '#graph';

const [rows, K, N] = [6, 40, 48];

/** The products of a graph as `op inner x columns`, in the order in which they run. */
function productsOf(graph: Graph): string[] {
  return topologicalOrder(graph)
    .filter(({ op }) => op === 'matmul' || op === 'roundedMatmul' || op === 'roundedGradient')
    .map(({ op, operands, types, attrs }) => {
      const inner =
        op === 'roundedGradient' || ('transposeA' in attrs && attrs.transposeA === true)
          ? operands[0]?.shape.at(-2)
          : operands[0]?.shape.at(-1);
      return `${op} ${inner} x ${types[0]?.shape.at(-1)}`;
    });
}

interface Layer {
  readonly b: GraphBuilder;
  readonly x: Value;
  readonly w: Value;
}

/** The gradients of a mean of squares, rounded. */
function rounded(build: (layer: Layer) => readonly [Value, ...Value[]], options: Partial<RoundProductsOptions> = {}, columns = N): Graph {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', [2, rows / 2, K]);
  const w = b.input('w', 'float32', [K, columns]);
  const [y, ...wrt] = build({ b, x, w });
  const loss = b.reduceMean(b.mul(y, y), [0, 1, 2]);
  const made = gradients(b, loss, [x, w, ...wrt]);
  const graph = roundProducts(
    optimizeGraph(b.graph(Object.fromEntries([['loss', loss], ...made.map((value, index) => [`g${index}`, value])]))),
    {
      weights: new Set(['w', 'v', 'p']),
      scales: 'row',
      ...options,
    },
  );
  verifyGraph(graph);
  return graph;
}

describe('roundProducts', () => {
  it('rounds the forward product and the one back to the activations, and leaves the gradient of the weight', () => {
    expect(productsOf(rounded(({ b, x, w }) => [b.matmul(x, w)]))).toEqual([
      `roundedMatmul ${K} x ${N}`,
      `roundedMatmul ${N} x ${K}`,
      `matmul ${rows} x ${N}`,
    ]);
  });

  it('rounds the gradient of the weight too where that is asked for', () => {
    const products = (options: Partial<RoundProductsOptions>): readonly string[] =>
      productsOf(rounded(({ b, x, w }) => [b.matmul(x, w, { scale: 0.5 })], { roundsGradients: true, ...options }));
    expect(products({}).at(-1)).toBe(`roundedGradient ${rows} x ${N}`);
    expect(products({ staysExact: ({ inner, columns }) => inner === N && columns === K }).at(-1)).toBe(`matmul ${rows} x ${N}`);
    expect(products({ weights: new Set() }).every((product) => product.startsWith('matmul'))).toBe(true);
  });

  it('leaves sums over rows that are the gradient of no weight, and those of more rows than 32 bits can sum', () => {
    const relations = rounded(
      ({ b, x, w }) => {
        const states = b.reshape(b.matmul(x, w), [rows, N]);
        return [b.reshape(b.matmul(states, b.matmul(states, states, { transposeA: true })), [2, rows / 2, N])];
      },
      { roundsGradients: true },
    );
    const sums = productsOf(relations).filter((product) => product.includes(` ${rows} x`));
    expect(sums.filter((product) => product.startsWith('rounded'))).toEqual([`roundedGradient ${rows} x ${N}`]);
    const b = new GraphBuilder();
    const [x, w] = [b.input('x', 'float32', [2 ** 16, K]), b.input('w', 'float32', [K, N])];
    const loss = b.reduceSum(b.matmul(x, w), [0, 1]);
    const [g] = gradients(b, loss, [w]);
    const many = roundProducts(b.graph({ loss, g: g! }), { weights: new Set(['w']), scales: 'row', roundsGradients: true });
    expect(productsOf(many).filter((product) => product.startsWith('roundedGradient'))).toEqual([]);
  });

  it('keeps transposes, scales, shapes and names', () => {
    const graph = rounded(({ b, x, w }) => [b.matmul(b.matmul(x, w, { scale: 0.5 }), w, { transposeB: true })], { scales: 'tensor' });
    const first = topologicalOrder(graph).filter(({ op }) => op === 'roundedMatmul');
    expect(first[0]).toMatchObject({ attrs: { scales: 'tensor', transposeB: false, scale: 0.5 } });
    expect(first[1]).toMatchObject({ attrs: { scales: 'tensor', transposeB: true, scale: 1 } });
    expect(graph.outputs.map(({ name, value }) => [name, value.shape])).toEqual([
      ['loss', []],
      ['g0', [2, rows / 2, K]],
      ['g1', [K, N]],
    ]);
  });

  it('leaves products of activations, thin ones, and those that it is told to', () => {
    const scores = rounded(({ b, x }) => [b.matmul(x, x, { transposeB: true })]);
    expect(productsOf(scores).every((product) => product.startsWith('matmul'))).toBe(true);
    expect(productsOf(rounded(({ b, x, w }) => [b.matmul(x, w)], {}, 31)).every((product) => product.startsWith('matmul'))).toBe(true);
    const kept = rounded(({ b, x, w }) => [b.matmul(x, w)], { staysExact: ({ inner, columns }) => inner === N && columns === K });
    expect(productsOf(kept)).toEqual([`roundedMatmul ${K} x ${N}`, `matmul ${N} x ${K}`, `matmul ${rows} x ${N}`]);
  });

  it('leaves products with inputs that are no weights of the student', () => {
    const graph = rounded(({ b, x, w }) => [b.matmul(x, w)], { weights: new Set() });
    expect(productsOf(graph).every((product) => product.startsWith('matmul'))).toBe(true);
  });

  it('takes a matrix that follows from weights for a weight, and leaves what is computed from its gradient', () => {
    const graph = rounded(({ b, x, w }) => {
      const p = b.input('p', 'float32', [N, N]);
      return [b.matmul(x, b.matmul(w, p)), p];
    });
    // w·p, the product, back to x, to the weight w·p, and from there to w and p.
    expect(productsOf(graph)).toEqual([
      `matmul ${N} x ${N}`,
      `roundedMatmul ${K} x ${N}`,
      `roundedMatmul ${N} x ${K}`,
      `matmul ${rows} x ${N}`,
      `matmul ${N} x ${N}`,
      `matmul ${K} x ${N}`,
    ]);
  });

  it('changes nothing in a graph without such products', () => {
    const b = new GraphBuilder();
    const graph = b.graph({ y: b.exp(b.input('w', 'float32', [4, 40])) });
    expect(roundProducts(graph, { weights: new Set(['w']), scales: 'row' })).toEqual(graph);
  });
});

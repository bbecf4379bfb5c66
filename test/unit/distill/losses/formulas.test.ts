// What the formulas of the losses keep: symmetry, bounds, limits, and rotations of what is related.
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { divergenceRows, teachersAsOne } from '#distill';
import { createReferenceEngine } from '#engine/reference';
import { GraphBuilder, gradients, type Value } from '#graph';
import type { AttentionValues } from '#models';
import { float32, type HostTensor, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { gramLoss, miniLmLoss, miniLmV2Loss } from '../../../../src/distill/losses/relation-loss.ts';

function random(shape: readonly number[], seed: number, scale = 1): HostTensor<'float32'> {
  const source = new Random(seed);
  return float32(
    shape,
    Float32Array.from({ length: shape.reduce((size, each) => size * each, 1) }, () => scale * source.normal()),
  );
}

/** Values of a graph over constants, by name. */
async function evaluate(build: (b: GraphBuilder) => Readonly<Record<string, Value>>): Promise<Record<string, number[]>> {
  const engine = createReferenceEngine();
  const b = new GraphBuilder();
  const program = await engine.compile(b.graph(build(b)));
  const results = await program.run({});
  return Object.fromEntries(Object.entries(results).map(([name, buffer]) => [name, Array.from(toNumbers(buffer.read()))]));
}

const [rows, choices] = [6, 9];
const forward = { divergence: 'forward', beta: 0.5, scaled: false } as const;
const jsd = (beta: number, scaled = false) => ({ divergence: 'jsd', beta, scaled }) as const;

describe('divergences', () => {
  it('jsd is symmetric at one half, and never above ln 2', async () => {
    const [s, t] = [random([rows, choices], 1, 8), random([rows, choices], 2, 8)];
    const { one, other } = await evaluate((b) => {
      const [p, q] = [b.logSoftmax(b.constant(t)), b.logSoftmax(b.constant(s))];
      return { one: divergenceRows(b, p, q, jsd(0.5)), other: divergenceRows(b, q, p, jsd(0.5)) };
    });
    expectAllClose(one!, other!, { absolute: 1e-6 });
    expect(Math.max(...one!)).toBeLessThanOrEqual(Math.log(2) + 1e-6);
    expect(Math.max(...one!)).toBeGreaterThan(0.5);
  });

  it('jsd ends in the two KLs, and comes to them only where it is scaled', async () => {
    const [s, t] = [random([rows, choices], 3), random([rows, choices], 4)];
    const values = await evaluate((b) => {
      const [p, q] = [b.logSoftmax(b.constant(t)), b.logSoftmax(b.constant(s))];
      return {
        forward: divergenceRows(b, p, q, forward),
        reverse: divergenceRows(b, p, q, { ...forward, divergence: 'reverse' }),
        start: divergenceRows(b, p, q, jsd(0)),
        end: divergenceRows(b, p, q, jsd(1)),
        nearStart: divergenceRows(b, p, q, jsd(0.002, true)),
        nearEnd: divergenceRows(b, p, q, jsd(0.998, true)),
        plainNearStart: divergenceRows(b, p, q, jsd(0.002)),
      };
    });
    expect(values['start']).toEqual(values['forward']);
    expect(values['end']).toEqual(values['reverse']);
    expectAllClose(values['nearStart']!, values['forward']!, { relative: 0.02 });
    expectAllClose(values['nearEnd']!, values['reverse']!, { relative: 0.02 });
    for (const [row, value] of values['plainNearStart']!.entries()) expect(value).toBeLessThan(0.01 * values['forward']![row]!);
  });

  it.each([forward, { ...forward, divergence: 'reverse' } as const, jsd(0.3)])(
    '%j does not see a constant that is added to logits',
    async (kind) => {
      const [s, t] = [random([rows, choices], 5), random([rows, choices], 6)];
      const { plain, moved } = await evaluate((b) => {
        const [p, q] = [b.constant(t), b.constant(s)];
        const shift = b.constant(random([rows, 1], 7, 5));
        return {
          plain: divergenceRows(b, b.logSoftmax(p), b.logSoftmax(q), kind),
          moved: divergenceRows(b, b.logSoftmax(b.add(p, shift)), b.logSoftmax(b.sub(q, shift)), kind),
        };
      });
      expectAllClose(moved!, plain!, { absolute: 1e-5 });
    },
  );

  it('comes to the squared distance of centred logits at high temperatures, with a gradient that keeps its size', async () => {
    const [s, t] = [random([rows, choices], 8), random([rows, choices], 9)];
    const values = await evaluate((b) => {
      const [own, taught] = [b.constant(s), b.constant(t)];
      const soft = (x: Value, temperature: number): Value => b.logSoftmax(b.mul(x, 1 / temperature));
      const loss = (temperature: number): Value =>
        b.mul(b.reduceMean(divergenceRows(b, soft(taught, temperature), soft(own, temperature), forward), [0]), temperature ** 2);
      const centred = b.sub(b.sub(own, taught), b.reduceMean(b.sub(own, taught), [1], true));
      const [at20, at40] = [20, 40].map((temperature) => gradients(b, loss(temperature), [own])[0]!);
      return { limit: b.mul(b.reduceMean(b.mul(centred, centred), [0, 1]), 0.5), at40: loss(40), gradient20: at20!, gradient40: at40! };
    });
    expect(values['at40']![0]).toBeCloseTo(values['limit']![0]!, 1);
    expect(values['at40']![0]! / values['limit']![0]!).toBeCloseTo(1, 1);
    expect(Math.hypot(...values['gradient40']!) / Math.hypot(...values['gradient20']!)).toBeCloseTo(1, 1);
  });

  it('several teachers are one distribution, whatever the scale of their weights', async () => {
    const [s, t] = [random([rows, choices], 10, 4), random([rows, choices], 11, 4)];
    for (const average of ['probabilities', 'logits'] as const) {
      const { both, scaled, alone } = await evaluate((b) => {
        const logits = [b.constant(s), b.constant(t)];
        const as = (weights: readonly number[]): Value => teachersAsOne(b, logits, weights, { temperature: 1.5, average });
        return {
          both: b.exp(as([1, 3])),
          scaled: b.exp(as([2, 6])),
          alone: b.exp(teachersAsOne(b, [logits[0]!], [7], { temperature: 1.5, average })),
        };
      });
      for (let row = 0; row < rows; row++) {
        const sum = both!.slice(row * choices, (row + 1) * choices).reduce((total, value) => total + value, 0);
        expect(sum).toBeCloseTo(1, 5);
      }
      expectAllClose(scaled!, both!, { absolute: 1e-6 });
      expect(alone).not.toEqual(both);
    }
  });
});

describe('relations', () => {
  const [B, T, heads, K] = [2, 5, 2, 6];

  /** An orthogonal matrix [size, size]: a product of reflections. */
  function rotation(b: GraphBuilder, size: number, seed: number): Value {
    let matrix = b.constant(
      float32(
        [size, size],
        Float32Array.from({ length: size * size }, (_, index) => (index % (size + 1) === 0 ? 1 : 0)),
      ),
    );
    for (let step = 0; step < 3; step++) {
      const v = b.constant(random([size, 1], seed + step));
      const squares = b.reduceSum(b.mul(v, v), [0, 1]);
      matrix = b.sub(matrix, b.mul(b.div(b.matmul(b.matmul(matrix, v), v, { transposeB: true }), squares), 2));
    }
    return matrix;
  }

  function attention(b: GraphBuilder, seed: number, rotate = (x: Value, _seed: number): Value => x): AttentionValues {
    const part = (offset: number): Value => b.constant(random([B, T, heads, K], seed + offset));
    const [q, k, v] = [part(0), part(1), part(2)];
    const byHead = (x: Value): Value => b.transpose(x, [0, 2, 1, 3]);
    const scores = b.matmul(byHead(q), byHead(k), { transposeB: true, scale: 1 / Math.sqrt(K) });
    return { q: rotate(q, 100), k: rotate(k, 200), v: rotate(v, 300), scores, hiding: undefined, probabilities: b.softmax(scores) };
  }

  it('do not see one rotation of all vectors of a relation head', async () => {
    const sequences = { batch: [B, T], counts: undefined } as const;
    const values = await evaluate((b) => {
      const teacher = attention(b, 20);
      const turned = (x: Value, seed: number): Value => b.matmul(x, rotation(b, K, seed));
      /** Relation heads that are as wide as three heads together need a rotation of that width. */
      const [plain, rotated] = [attention(b, 40), attention(b, 40, turned)];
      const rowsOf = (x: Value): Value => b.reshape(x, [B * T, heads * K]);
      const states = rowsOf(plain.q);
      const turnedStates = b.matmul(states, rotation(b, heads * K, 400));
      const gram = (own: Value, over: 'tokens' | 'batch'): Value => gramLoss(b, own, rowsOf(teacher.v), sequences, { over });
      return {
        v2: miniLmV2Loss(b, plain, teacher, sequences, { heads }),
        v2Turned: miniLmV2Loss(b, rotated, teacher, sequences, { heads }),
        v2OtherHeads: miniLmV2Loss(b, rotated, teacher, sequences, { heads: 4 }),
        v2PlainOtherHeads: miniLmV2Loss(b, plain, teacher, sequences, { heads: 4 }),
        miniLm: miniLmLoss(b, plain, teacher, sequences),
        miniLmTurned: miniLmLoss(b, rotated, teacher, sequences),
        tokens: gram(states, 'tokens'),
        tokensTurned: gram(turnedStates, 'tokens'),
        batch: gram(states, 'batch'),
        batchTurned: gram(turnedStates, 'batch'),
      };
    });
    for (const name of ['v2', 'miniLm', 'tokens', 'batch']) {
      expect(values[name]![0]).toBeGreaterThan(1e-3);
      expect(values[`${name}Turned`]![0], name).toBeCloseTo(values[name]![0]!, 5);
    }
    // A rotation that crosses the borders of relation heads is seen.
    expect(Math.abs(values['v2OtherHeads']![0]! - values['v2PlainOtherHeads']![0]!)).toBeGreaterThan(1e-3);
  });
});

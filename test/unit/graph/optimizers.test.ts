// Optimizer steps against the papers' formulas written out here; schedules; clipping.
import { describe, expect, it } from 'vitest';
import { createReferenceEngine, evaluateOnHost } from '#engine/reference';
import {
  adamW,
  buildNormGraph,
  buildUpdateGraph,
  gradientName,
  learningRateAt,
  type Optimizer,
  optimizeGraph,
  type Schedule,
  scalarInputName,
  sgd,
  stateName,
  type UpdatedParameter,
  verifyGraph,
} from '#graph';
import { float32, hostTensor, toNumbers } from '#tensor';

const parameters: readonly UpdatedParameter[] = [
  { name: 'matrix', shape: [1, 2], decays: true },
  { name: 'gain', shape: [2], decays: false },
];
const start: Record<string, readonly number[]> = { matrix: [0.5, -1.5], gain: [1, 2] };
/** A gradient that changes from step to step. */
const gradientAt = (name: string, step: number): number[] => start[name]!.map((value, index) => Math.sin(step + index) + 0.1 * value);

interface Hand {
  /** One step of one number. */
  readonly update: (p: number, g: number, state: Record<string, number>, step: number, decays: boolean) => number;
}

async function expectFollows(optimizer: Optimizer, { update }: Hand, learningRate: number): Promise<void> {
  const graph = optimizeGraph(buildUpdateGraph(parameters, optimizer), { verify: true });
  const engine = createReferenceEngine();
  const program = await engine.compile(graph);
  const held = Object.fromEntries(
    parameters.flatMap(({ name, shape }) => [
      [name, engine.upload(float32(shape as number[], start[name]!))],
      ...optimizer.stateSlots.map((slot) => [stateName(slot, name), engine.allocate({ dtype: 'float32', shape: shape as number[] })]),
    ]),
  );
  const hand = Object.fromEntries(
    Object.entries(start).map(([name, values]) => [name, values.map((p) => ({ p, state: {} as Record<string, number> }))]),
  );
  for (let step = 1; step <= 5; step++) {
    const scalars = { ...optimizer.scalars(step, learningRate), gradientScale: 1 };
    const results = await program.run(
      {
        ...held,
        ...Object.fromEntries(
          parameters.map(({ name, shape }) => [gradientName(name), float32(shape as number[], gradientAt(name, step))]),
        ),
        ...Object.fromEntries(Object.entries(scalars).map(([name, value]) => [scalarInputName(name), float32([], [value])])),
      },
      { outputs: held },
    );
    results['gradientNorm']!.release();
    for (const { name, decays } of parameters) {
      const gradient = gradientAt(name, step);
      const actual = toNumbers(held[name]!.read());
      hand[name]!.forEach((element, index) => {
        element.p = update(element.p, gradient[index]!, element.state, step, decays);
        expect(Number(actual[index]), `${name}[${index}] after step ${step}`).toBeCloseTo(element.p, 5);
      });
    }
  }
}

describe('AdamW', () => {
  it.each([
    { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 },
    { beta1: 0.5, beta2: 0.95, epsilon: 0.1, weightDecay: 0 },
  ])('follows algorithm 2 of the paper with %j', async (settings) => {
    const rate = 0.05;
    const { beta1, beta2, epsilon, weightDecay } = settings;
    const update: Hand['update'] = (p, g, state, step, decays) => {
      state['m'] = beta1 * (state['m'] ?? 0) + (1 - beta1) * g;
      state['v'] = beta2 * (state['v'] ?? 0) + (1 - beta2) * g * g;
      const mHat = state['m'] / (1 - beta1 ** step);
      const vHat = state['v'] / (1 - beta2 ** step);
      return p - (decays ? rate * weightDecay * p : 0) - (rate * mHat) / (Math.sqrt(vHat) + epsilon);
    };
    await expectFollows(adamW(settings), { update }, rate);
  });

  it('takes steps of the learning rate at first, whatever the size of the gradient', () => {
    const { stepSize, shiftedEpsilon } = adamW({ epsilon: 0 }).scalars(1, 0.01);
    // The state after one step is g and g², so that a parameter moves by stepSize·g/√(g²).
    expect(stepSize).toBeCloseTo(0.01, 12);
    expect(shiftedEpsilon).toBe(0);
  });
});

describe('SGD', () => {
  it.each([
    { momentum: 0, nesterov: false, weightDecay: 0 },
    { momentum: 0, nesterov: false, weightDecay: 0.2 },
    { momentum: 0.9, nesterov: false, weightDecay: 0.1 },
    { momentum: 0.8, nesterov: true, weightDecay: 0.1 },
  ])('follows its formula with %j', async (settings) => {
    const rate = 0.1;
    const { momentum, nesterov, weightDecay } = settings;
    const update: Hand['update'] = (p, g, state, _, decays) => {
      const total = g + (decays ? weightDecay * p : 0);
      state['v'] = momentum * (state['v'] ?? 0) + total;
      return p - rate * (nesterov ? total + momentum * state['v'] : state['v']);
    };
    await expectFollows(sgd(settings), { update }, rate);
  });

  it('keeps no state without momentum', () => {
    expect(sgd().stateSlots).toEqual([]);
    expect(sgd({ momentum: 0.9 }).stateSlots).toEqual(['velocity']);
  });
});

describe('clipping', () => {
  const inputs = (gradient: readonly number[], gradientScale: number) => ({
    [gradientName('matrix')]: float32([1, 2], gradient),
    [gradientName('gain')]: float32([2], [0, 0]),
    matrix: float32([1, 2], [0, 0]),
    gain: float32([2], [0, 0]),
    [scalarInputName('learningRate')]: float32([], [1]),
    [scalarInputName('gradientScale')]: float32([], [gradientScale]),
  });

  it.each([
    { gradient: [30, 40], scale: 0.1, limit: 1, norm: 5, expected: [-0.6, -0.8] },
    { gradient: [30, 40], scale: 0.1, limit: 10, norm: 5, expected: [-3, -4] },
    { gradient: [0, 0], scale: 1, limit: 1, norm: 0, expected: [0, 0] },
  ])('scales gradients of norm $norm to at most $limit', async ({ gradient, scale, limit, norm, expected }) => {
    const graph = buildUpdateGraph(parameters, sgd(), limit);
    verifyGraph(graph);
    const result = await evaluateOnHost(graph, inputs(gradient, scale));
    expect(result['gradientNorm']!.data[0]).toBeCloseTo(norm, 5);
    for (const [index, value] of expected.entries()) expect(result['matrix']!.data[index]).toBeCloseTo(value, 5);

    // The same in two graphs, so that the norm can be looked at in between.
    const measured = await evaluateOnHost(buildNormGraph(parameters), inputs(gradient, scale));
    expect(measured['gradientNorm']).toEqual(result['gradientNorm']);
    const given = hostTensor('float32', [], Float32Array.from(measured['gradientNorm']!.data));
    const split = await evaluateOnHost(buildUpdateGraph(parameters, sgd(), limit, 'given'), {
      ...inputs(gradient, scale),
      [scalarInputName('gradientNorm')]: given,
    });
    for (const [index, value] of expected.entries()) expect(split['matrix']!.data[index]).toBeCloseTo(value, 5);
    expect(split['gradientNorm']).toBeUndefined();
  });

  it('is left out when there is no limit', async () => {
    const graph = buildUpdateGraph(parameters, sgd(), undefined, 'given');
    expect(graph.inputs.map(({ name }) => name)).not.toContain(scalarInputName('gradientNorm'));
    const result = await evaluateOnHost(graph, inputs([30, 40], 0.5));
    expect([...result['matrix']!.data]).toEqual([-15, -20]);
  });
});

describe('schedules', () => {
  const schedule = (changes: Partial<Schedule>): Schedule => ({
    kind: 'constant',
    peak: 0.4,
    warmupSteps: 4,
    totalSteps: 12,
    finalShare: 0.25,
    ...changes,
  });
  const rates = (changes: Partial<Schedule>, ...steps: readonly number[]): number[] =>
    steps.map((step) => Number(learningRateAt(schedule(changes), step).toFixed(10)));

  it('warm up in equal steps to the peak', () => {
    for (const kind of ['constant', 'linear', 'cosine', 'inverseSquareRoot'] as const)
      expect(rates({ kind }, 1, 2, 3, 4)).toEqual([0.1, 0.2, 0.3, 0.4]);
  });

  it('start below the peak only when there is a warm-up', () => {
    expect(rates({ warmupSteps: 0 }, 1)).toEqual([0.4]);
    expect(rates({ warmupSteps: 12, kind: 'linear' }, 12, 13)).toEqual([0.4, 0.1]);
  });

  it('fall as their names say and stay at the end', () => {
    expect(rates({}, 5, 12, 100)).toEqual([0.4, 0.4, 0.4]);
    expect(rates({ kind: 'linear' }, 8, 12, 100)).toEqual([0.25, 0.1, 0.1]);
    expect(rates({ kind: 'cosine' }, 6, 8, 12, 100)).toEqual([
      Number((0.4 * (0.25 + 0.75 * 0.5 * (1 + Math.SQRT1_2))).toFixed(10)),
      0.25,
      0.1,
      0.1,
    ]);
    expect(rates({ kind: 'inverseSquareRoot' }, 16, 64)).toEqual([0.2, 0.1]);
    expect(rates({ kind: 'inverseSquareRoot', warmupSteps: 0 }, 1, 4)).toEqual([0.4, 0.2]);
  });
});

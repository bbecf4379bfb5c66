// Hard-concrete gates and the augmented Lagrangian against PyTorch: values, and the gradients of weights, gates and multipliers.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { GraphBuilder, gradients } from '#graph';
import { float32, type HostTensor, toNumbers } from '#tensor';
import { drawnGate, drawnGates, keepProbabilities, keepProbability, logisticNoise } from '../../src/compress/flop/hard-concrete.ts';
import { type LagrangianForm, sizePenalty } from '../../src/compress/flop/lagrangian.ts';

type Matrix = readonly (readonly number[])[];

interface GoldenCase {
  readonly beta: number;
  readonly form: LagrangianForm;
  readonly target: number;
  readonly x: Matrix;
  readonly left: Matrix;
  readonly right: Matrix;
  readonly alphas: readonly number[];
  readonly uniforms: readonly number[];
  readonly first: number;
  readonly second: number;
  readonly z: readonly number[];
  readonly keep: readonly number[];
  readonly sparsity: number;
  readonly penalty: number;
  readonly loss: number;
  readonly gradients: {
    readonly left: Matrix;
    readonly right: Matrix;
    readonly alphas: readonly number[];
    readonly first: number;
    readonly second: number;
  };
}

const { cases } = JSON.parse(readFileSync(new URL('data/flop.json', import.meta.url), 'utf8')) as { readonly cases: readonly GoldenCase[] };

const matrix = (rows: Matrix): HostTensor<'float32'> => float32([rows.length, at(rows, 0).length], rows.flat());
const numbers = (tensor: HostTensor): number[] => [...toNumbers(tensor)];

const engines: readonly (readonly [string, () => Engine | Promise<Engine>])[] = [
  ['reference', () => createReferenceEngine()],
  ['onnx', () => createOnnxEngine({ device: 'cpu' })],
];

describe.each(engines)('FLOP on the %s engine', (_, create) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await create();
  });
  afterAll(() => engine.dispose());

  it.each(cases)('has the gates, the penalty and every gradient of PyTorch: β = $beta, $form, target $target', async (golden) => {
    const inputs: Record<string, HostTensor> = {
      x: matrix(golden.x),
      left: matrix(golden.left),
      right: matrix(golden.right),
      alphas: float32([golden.alphas.length], golden.alphas),
      noise: float32([golden.alphas.length], golden.uniforms.map(logisticNoise)),
      first: float32([], [golden.first]),
      second: float32([], [golden.second]),
      target: float32([], [golden.target]),
    };
    const b = new GraphBuilder();
    const value = (name: string) => b.input(name, 'float32', inputs[name]!.shape);
    const [left, right, alphas, first, second] = [value('left'), value('right'), value('alphas'), value('first'), value('second')];
    const z = drawnGates(b, alphas, value('noise'), golden.beta);
    const keep = keepProbabilities(b, alphas, golden.beta);
    const [rows, columns] = [golden.left.length, at(golden.right, 0).length];
    const sparsity = b.sub(1, b.mul(b.reduceSum(keep, [0]), (rows + columns) / (rows * columns)));
    const penalty = sizePenalty(b, golden.form, [first, second], sparsity, value('target'));
    const y = b.matmul(b.matmul(value('x'), b.mul(left, z)), right);
    const loss = b.add(b.reduceMean(b.mul(y, y), [0, 1]), penalty);
    const wanted = { left, right, alphas, first, second };
    const made = gradients(b, loss, Object.values(wanted));
    const derivatives = Object.fromEntries(Object.keys(wanted).map((name, index) => [`d:${name}`, at(made, index)]));
    const program = await engine.compile(b.graph({ z, keep, sparsity, penalty, loss, ...derivatives }), { name: 'flop' });
    const results = await program.run(inputs);
    const expectNear = (name: string, expected: readonly number[]): void => {
      const found = numbers(results[name]!.read());
      expect(found.length).toBe(expected.length);
      for (const [index, number] of expected.entries()) expect(Math.abs(at(found, index) - number), `${name}[${index}]`).toBeLessThan(2e-5);
    };
    for (const name of ['z', 'keep'] as const) expectNear(name, golden[name]);
    for (const name of ['sparsity', 'penalty', 'loss'] as const) expectNear(name, [golden[name]]);
    for (const [name, expected] of Object.entries(golden.gradients)) expectNear(`d:${name}`, [expected].flat(2));
    await program.release();
  });
});

it('draws and weighs gates on the host as PyTorch does', () => {
  for (const { alphas, uniforms, beta, z, keep } of cases)
    for (const [index, alpha] of alphas.entries()) {
      expect(drawnGate(alpha, logisticNoise(at(uniforms, index)), beta)).toBeCloseTo(at(z, index), 9);
      expect(keepProbability(alpha, beta)).toBeCloseTo(at(keep, index), 9);
    }
});

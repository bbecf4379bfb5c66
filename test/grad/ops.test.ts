// Every differentiable op: its gradient rule against central differences, in float64, on each engine that computes in float64.
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import type { Engine } from '#engine';
import { evaluateOnHost } from '#engine/reference';
import { definitionOf, type Graph, GraphBuilder, gradients, type OpName, ops, type SampleOperand, type Value, verifyGraph } from '#graph';
import { type HostTensor, hostTensor, isFloat, sizeOf, toNumbers } from '#tensor';
import { fillOperand } from '#test/samples';
import { tensorflowForSuite } from '#test/tensorflow';

type Inputs = Readonly<Record<string, HostTensor>>;

/** A graph made ready: numbers of each output. */
interface Evaluator {
  evaluate(inputs: Inputs): Promise<Readonly<Record<string, ArrayLike<number>>>>;
  release(): Promise<void>;
}

interface GradientCase {
  readonly graph: Graph;
  readonly gradientGraph: Graph;
  readonly inputs: Record<string, HostTensor>;
  readonly trained: readonly string[];
}

/** A scalar made from all float results of the op, each weighted by fixed random numbers, and its gradient graph. */
function makeCase(name: OpName, operands: readonly SampleOperand[], attrs: object, seed: number): GradientCase {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const inputs: Record<string, HostTensor> = {};
  const values = operands.map((operand, index) => {
    const tensor = fillOperand(operand, random);
    // float64 inputs, so that differences are not lost in rounding
    inputs[`x${index}`] = isFloat(tensor.dtype) ? hostTensor('float64', tensor.shape, Float64Array.from(toNumbers(tensor))) : tensor;
    return b.input(`x${index}`, isFloat(tensor.dtype) ? 'float64' : tensor.dtype, tensor.shape);
  });
  const to64 = 'to' in attrs && attrs.to === 'float32' ? { ...attrs, to: 'float64' } : attrs;
  const made = b.apply(name, values, to64);
  // The statistics of the norms are saved for the rule and have no gradient of their own.
  const results = (name.endsWith('Norm') ? made.slice(0, 1) : made).filter((result) => isFloat(result.dtype));
  const loss = results
    .map((result): Value => {
      const weights = Float64Array.from({ length: sizeOf(result.shape as number[]) }, () => random.normal());
      const weighted = b.mul(result, b.constant(hostTensor('float64', result.shape as number[], weights)));
      return b.reduceSum(
        weighted,
        result.shape.map((_, axis) => axis),
      );
    })
    .reduce((sum, part) => b.add(sum, part));
  const trained = values.filter((value) => isFloat(value.dtype));
  const dInputs = gradients(b, loss, trained);
  return {
    graph: b.graph({ loss }),
    gradientGraph: b.graph(Object.fromEntries(dInputs.map((value, index) => [`d${index}`, value]))),
    inputs,
    trained: operands.flatMap((operand, index) => (isFloat(operand.dtype) ? [`x${index}`] : [])),
  };
}

async function prepareOnHost(graph: Graph): Promise<Evaluator> {
  return {
    evaluate: async (inputs) =>
      Object.fromEntries(Object.entries(await evaluateOnHost(graph, inputs)).map(([name, { data }]) => [name, data])),
    release: async () => {},
  };
}

async function prepareOn(engine: Engine, graph: Graph): Promise<Evaluator> {
  const program = await engine.compile(graph);
  return {
    evaluate: async (inputs) => {
      const results = Object.entries(await program.run(inputs));
      return Object.fromEntries(
        results.map(([name, buffer]) => {
          const numbers = toNumbers(buffer.read());
          buffer.release();
          return [name, numbers];
        }),
      );
    },
    release: () => program.release(),
  };
}

type Prepare = (graph: Graph) => Promise<Evaluator>;

async function expectGradientsMatch(prepare: Prepare, { graph, gradientGraph, inputs, trained }: GradientCase): Promise<void> {
  verifyGraph(gradientGraph);
  const [forward, backward] = [await prepare(graph), await prepare(gradientGraph)];
  const analytic = await backward.evaluate(inputs);
  const step = 1e-5;
  for (const [index, name] of trained.entries()) {
    const tensor = inputs[name] as HostTensor<'float64'>;
    for (let element = 0; element < tensor.data.length; element++) {
      const lossAt = async (shift: number): Promise<number> => {
        const data = tensor.data.slice();
        data[element]! += shift;
        const result = await forward.evaluate({ ...inputs, [name]: hostTensor('float64', tensor.shape, data) });
        return result['loss']![0]!;
      };
      const numeric = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
      const actual = analytic[`d${index}`]![element]!;
      expect(Math.abs(actual - numeric), `${name}[${element}]: rule ${actual}, differences ${numeric}`).toBeLessThan(
        1e-7 + 1e-6 * Math.abs(numeric),
      );
    }
  }
  await Promise.all([forward.release(), backward.release()]);
}

/** Ops whose gradient is not the derivative on purpose. */
const withOwnTests: readonly OpName[] = ['stopGradient', 'matmulInt8'];

/** One test for every sample that has a gradient. */
function testAllOps(prepare: Prepare): void {
  for (const name of Object.keys(ops) as OpName[]) {
    const { vjp, samples } = definitionOf(name);
    if (vjp === 'not-differentiable') continue;
    samples.forEach((sample, index) => {
      const floats = sample.operands.filter((operand) => isFloat(operand.dtype));
      const isFloatResult =
        !['less', 'equal', 'argMax'].includes(name) &&
        !(sample.attrs !== undefined && 'to' in sample.attrs && sample.attrs.to !== 'float32');
      if (floats.length === 0 || !isFloatResult || withOwnTests.includes(name) || sample.note === 'ties') return;
      it(`${name}, sample ${index}${sample.note === undefined ? '' : ` (${sample.note})`}`, async () => {
        await expectGradientsMatch(prepare, makeCase(name, sample.operands, sample.attrs ?? {}, 17 + index));
      });
    });
  }
}

describe('gradient rules agree with central differences on tensorflow', () => {
  const engine = tensorflowForSuite();
  testAllOps((graph) => prepareOn(engine(), graph));
});

describe('gradient rules agree with central differences', () => {
  testAllOps(prepareOnHost);

  it('sends no gradient through stopGradient', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float64', [2]);
    const loss = b.reduceSum(b.mul(b.stopGradient(x), x), [0]);
    const [dX] = gradients(b, loss, [x]);
    const result = await evaluateOnHost(b.graph({ dX: dX! }), { x: hostTensor('float64', [2], Float64Array.of(3, -2)) });
    expect([...result['dX']!.data]).toEqual([3, -2]);
  });

  it('names the op when the only way back has no gradient', () => {
    const b = new GraphBuilder();
    const q = b.input('q', 'float32', [1, 1, 8]);
    const past = b.input('past', 'float32', [1, 1, 4, 8]);
    const last = b.input('last', 'int32', [1]);
    const [y] = b.groupQueryAttention(q, q, q, past, past, last, last, { heads: 1, keyValueHeads: 1, scale: 1 });
    const loss = b.reduceSum(y, [0, 1, 2]);
    expect(() => gradients(b, loss, [q])).toThrow(/not_differentiable.*groupQueryAttention/);
  });
});

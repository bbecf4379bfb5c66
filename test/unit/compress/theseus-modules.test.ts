// Module replacing without training: schedules, draws, settings, and the joined model, whose function is known for every draw.
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { methods } from '#compress';
import { evaluateOnHost } from '#engine/reference';
import { GraphBuilder } from '#graph';
import {
  buildTaskGraph,
  causalNetwork,
  checkModel,
  type EncoderDecoderConfig,
  encoderDecoderNetwork,
  encoderInputs,
  encoderNetwork,
  type GraphNetwork,
  initializeModel,
  isEncoderDecoder,
  type Model,
  modelInputs,
  type NetworkChanges,
  replaceParameters,
  sharedParameter,
  storedTensors,
  taskOf,
} from '#models';
import { float32, type HostTensor, hostTensor, int64, sizeOf } from '#tensor';
import { bertConfig, twoLabels } from '#test/encoders';
import { arrangeBlocks } from '../../../src/compress/arrange-blocks.ts';
import { isOfSuccessor, joinModel, layersOf, runModules, startLayers, successorOf } from '../../../src/compress/theseus/modules.ts';
import { drawModules, replacementSchedule } from '../../../src/compress/theseus/schedule.ts';
import { gpt2Config, llamaConfig, tinyModel } from './tiny-model.ts';

const schedules = { schedule: 'linear', p: undefined, k: undefined, b: undefined, replacementSteps: undefined } as const;

describe('the chance that a module is replaced', () => {
  it('grows by k from b, and never beyond 1', () => {
    const { chance, replacementSteps } = replacementSchedule({ ...schedules, k: 0.0006, b: 0.3 }, 5000);
    expect(replacementSteps).toBe(1167);
    expect(chance(1)).toBeCloseTo(0.3, 12);
    expect(chance(501)).toBeCloseTo(0.6, 12);
    const all = Array.from({ length: 5000 }, (_, index) => chance(index + 1));
    expect(Math.max(...all)).toBe(1);
    expect(all.slice(1167).every((value) => value === 1)).toBe(true);
    expect(all.every((value, index) => index === 0 || value >= (all[index - 1] ?? 0))).toBe(true);
    const steep = replacementSchedule({ ...schedules, k: 0.9, b: 0.3 }, 10);
    expect([steep.chance(1), steep.chance(2)]).toEqual([0.3, 1]);
  });

  it('reaches 1 after the steps that are asked for, half of all by default', () => {
    const asked = replacementSchedule({ ...schedules, b: 0.2, replacementSteps: 8 }, 10);
    for (const [step, chance] of [
      [1, 0.2],
      [5, 0.6],
      [8, 0.9],
      [9, 1],
    ] as const)
      expect(asked.chance(step)).toBeCloseTo(chance, 12);
    expect(replacementSchedule(schedules, 11).replacementSteps).toBe(6);
  });

  it('is p, or falls from 1 to b, and is 1 afterwards', () => {
    const constant = replacementSchedule({ ...schedules, schedule: 'constant', p: 0.6, replacementSteps: 3 }, 5);
    expect([1, 2, 3, 4, 5].map(constant.chance)).toEqual([0.6, 0.6, 0.6, 1, 1]);
    const falling = replacementSchedule({ ...schedules, schedule: 'antiCurriculum', b: 0.2, replacementSteps: 4 }, 6);
    const expected = [1, 0.8, 0.6, 0.4, 1, 1];
    for (const [index, value] of expected.entries()) expect(falling.chance(index + 1)).toBeCloseTo(value, 12);
  });

  it('must reach its end within the training', () => {
    expect(() => replacementSchedule({ ...schedules, k: 0.001, b: 0.3 }, 300)).toThrow(
      /schedule_misses_target.*theseus\.k: .*after 700 steps, and the training has 300.*k of at least 0\.00233/,
    );
    expect(() => replacementSchedule({ ...schedules, schedule: 'constant', replacementSteps: 301 }, 300)).toThrow(
      /schedule_misses_target.*theseus\.replacementSteps.*at most 300/,
    );
    expect(replacementSchedule({ ...schedules, k: 0.7 / 300, b: 0.3 }, 300).replacementSteps).toBe(300);
  });
});

describe('draws', () => {
  it('follow from seed and step, and come as often as the chance says, module by module', () => {
    const counts = [0, 0, 0];
    const pairs = [0, 0];
    const draws = 4000;
    for (let step = 1; step <= draws; step++) {
      const drawn = drawModules(3, 0.3, 5, step);
      expect(drawn).toBe(drawModules(3, 0.3, 5, step));
      for (const [module, bit] of [...drawn].entries()) counts[module]! += Number(bit);
      pairs[0]! += Number(drawn[0] === '1' && drawn[1] === '1');
      pairs[1]! += Number(drawn[1] === '1' && drawModules(3, 0.3, 5, step + 1)[1] === '1');
    }
    // Within four standard deviations.
    for (const count of counts) expect(Math.abs(count / draws - 0.3)).toBeLessThan(0.03);
    for (const count of pairs) expect(Math.abs(count / draws - 0.09)).toBeLessThan(0.02);
    expect(drawModules(4, 1, 0, 1)).toBe('1111');
    expect(drawModules(4, 0, 0, 1)).toBe('0000');
    const seeds = new Set(Array.from({ length: 64 }, (_, seed) => drawModules(16, 0.5, seed, 1)));
    expect(seeds.size).toBeGreaterThan(60);
  });
});

const bert = initializeModel({ ...bertConfig(twoLabels), layers: 6 }, new Random(1), 0.3);
const gpt2 = tinyModel({ ...gpt2Config, layers: 6 });
const window = { size: 4, layers: [true, false, true, false, true, false] };
const llama = tinyModel({ ...llamaConfig, layers: 6, slidingWindow: window });
const cases: readonly [string, Model][] = [
  ['GPT-2', gpt2],
  ['Llama', llama],
  ['BERT', bert],
];
const bartConfig: EncoderDecoderConfig = {
  architecture: 'encoderDecoder',
  vocabularySize: 23,
  width: 8,
  layers: 4,
  heads: 2,
  feedForwardWidth: 12,
  encoder: { layers: 4, heads: 2, headWidth: 4, feedForwardWidth: 10 },
  headWidth: 4,
  maxPositions: 12,
  normEpsilon: 1e-5,
  norm: 'layer',
  normPlacement: 'after',
  biases: true,
  gated: false,
  activation: 'gelu',
  embeddingNorm: true,
  finalNorm: false,
  positions: { kind: 'learned', offset: 2 },
  scaledEmbedding: false,
  scaledScores: true,
  scaledHead: false,
  headBias: true,
  headTransform: false,
  tiedHead: true,
  startToken: 2,
  padToken: 1,
  endTokens: [2],
};
const settings = { modules: 3, layers: undefined, start: 'first' } as const;

/** Logits with the layers run as the changes say. */
async function logits(model: Model, changes?: NetworkChanges): Promise<number[]> {
  const b = new GraphBuilder();
  const sizes = { batch: 2, length: 5 };
  let net: GraphNetwork;
  const random = new Random(4);
  const tokens = int64(
    [2, 5],
    Array.from({ length: 10 }, () => random.integer(40)),
  );
  const given: Record<string, HostTensor> = { tokens };
  const options = { changes };
  let hidden: ReturnType<GraphNetwork['hidden']>;
  if (taskOf(model.config).kind === 'causal') {
    const ids = b.input('tokens', 'int64', [2, 5]);
    net = causalNetwork(b, model, ids, options);
    hidden = net.hidden(ids);
  } else {
    const inputs = encoderInputs(b, model, sizes);
    net = encoderNetwork(b, model, inputs, options);
    hidden = net.hidden(inputs.tokens);
    given['mask'] = hostTensor('bool', [2, 5], new Uint8Array([1, 1, 1, 1, 1, 1, 1, 1, 0, 0]));
    given['tokenTypes'] = int64([2, 5], new Array<number>(10).fill(0));
  }
  const results = await evaluateOnHost(b.graph({ hidden }), { ...Object.fromEntries(modelInputs(model)), ...given });
  return Array.from(results['hidden']!.data, Number);
}

describe('a joined model', () => {
  it.each(cases)('is the predecessor where nothing is replaced, and the successor where everything is: %s', async (_, model) => {
    const joined = joinModel(model, settings);
    checkModel(joined.model);
    expect(joined.modules).toBe(3);
    expect(joined.model.config.layers).toBe(9);
    const drawn = (draw: string): NetworkChanges => ({ runBlocks: runModules(joined.stacks, draw) });
    const none = await logits(joined.model, drawn('000'));
    expect(none).toEqual(await logits(model));
    const successor = successorOf(joined.model, joined.stacks);
    expect(successor.config.layers).toBe(3);
    const all = await logits(joined.model, drawn('111'));
    expect(all).toEqual(await logits(successor));
    // A model of the first three layers, made in another way.
    expect(all).toEqual(await logits(arrangeBlocks(model, [[0, 1, 2]])));
    expect(all).not.toEqual(none);
    const middle = await logits(joined.model, drawn('010'));
    expect(middle).toEqual(await logits(arrangeBlocks(model, [[0, 1, 1, 4, 5]])));
  });

  it('depends on no weight of the predecessor where everything is replaced', async () => {
    const joined = joinModel(bert, settings);
    const noise = [...joined.model.parameters.values()]
      .filter(({ path }) => /^h\.[0-5]\./.test(path))
      .map((parameter) => {
        const { shape } = parameter.tensors['value']!;
        return { ...parameter, tensors: { value: float32(shape, new Float32Array(sizeOf(shape)).fill(7)) } };
      });
    expect(noise.length).toBeGreaterThan(80);
    const changes = { runBlocks: runModules(joined.stacks, '111') };
    expect(await logits(replaceParameters(joined.model, noise), changes)).toEqual(await logits(joined.model, changes));
  });

  it('has as many modules in both stacks of an encoder-decoder', async () => {
    const bart = initializeModel(bartConfig, new Random(3), 0.3);
    const answers = async (model: Model, changes?: NetworkChanges): Promise<number[]> => {
      const b = new GraphBuilder();
      const sources = { source: b.input('source', 'int64', [1, 4]), sourceMask: b.input('sourceMask', 'bool', [1, 4]) };
      const ids = b.input('tokens', 'int64', [1, 3]);
      const hidden = encoderDecoderNetwork(b, model, sources, ids, { changes }).hidden(ids);
      const given = {
        source: int64([1, 4], [5, 6, 7, 2]),
        sourceMask: hostTensor('bool', [1, 4], new Uint8Array([1, 1, 1, 1])),
        tokens: int64([1, 3], [2, 9, 8]),
      };
      const results = await evaluateOnHost(b.graph({ hidden }), { ...Object.fromEntries(modelInputs(model)), ...given });
      return Array.from(results['hidden']!.data, Number);
    };
    const joined = joinModel(bart, { modules: 2, layers: undefined, start: 'interleaved' });
    expect(joined.modules).toBe(4);
    const drawn = (draw: string): NetworkChanges => ({ runBlocks: runModules(joined.stacks, draw) });
    expect(await answers(joined.model, drawn('0000'))).toEqual(await answers(bart));
    const successor = successorOf(joined.model, joined.stacks);
    expect([successor.config.layers, isEncoderDecoder(successor.config) ? successor.config.encoder.layers : 0]).toEqual([2, 2]);
    expect(await answers(joined.model, drawn('1111'))).toEqual(await answers(successor));
    const encoderOnly = arrangeBlocks(bart, [
      [0, 2],
      [0, 1, 2, 3],
    ]);
    expect(await answers(joined.model, drawn('1100'))).toEqual(await answers(encoderOnly));
    expect(() => joinModel(bart, { modules: 3, layers: undefined, start: 'first' })).toThrow(/encoder: 4 layers.*3 modules/);
  });

  it('starts from the layers that are asked for, at every depth', () => {
    const one = { prefix: 'h.', modules: 3, depthBefore: 4, depthAfter: 1 };
    expect((['first', 'last', 'interleaved'] as const).map((start) => startLayers(one, start))).toEqual([
      [0, 1, 2],
      [9, 10, 11],
      [0, 4, 8],
    ]);
    const two = { ...one, depthAfter: 2 };
    expect(startLayers(two, 'interleaved')).toEqual([0, 2, 4, 6, 8, 10]);
    expect(layersOf(two, '010')).toEqual([0, 1, 2, 3, 14, 15, 8, 9, 10, 11]);
    const deep = joinModel(gpt2, { modules: 2, layers: 4, start: 'last' });
    expect(deep.stacks).toEqual([{ prefix: 'h.', modules: 2, depthBefore: 3, depthAfter: 2 }]);
    const stored = storedTensors(deep.model);
    expect(stored.get('h.6.attn.qkv.weight')).toBe(storedTensors(gpt2).get('h.2.attn.qkv.weight'));
    expect(isOfSuccessor(deep.stacks, 'h.6.ln1.bias')).toBe(true);
    expect(isOfSuccessor(deep.stacks, 'h.5.ln1.bias')).toBe(false);
    expect(isOfSuccessor(deep.stacks, 'head.weight')).toBe(false);
  });

  it('gives every layer of the successor weights of its own where the predecessor shared them', () => {
    const shared = replaceParameters(
      gpt2,
      [...gpt2.parameters.keys()].flatMap((path) =>
        /^h\.[1-5]\.mlp/.test(path) ? [sharedParameter(path, path.replace(/^h\.\d/, 'h.0'))] : [],
      ),
    );
    const joined = joinModel(shared, settings);
    expect(joined.model.parameters.get('h.4.mlp.fc.weight')?.kind).toBe('shared');
    const successor = successorOf(joined.model, joined.stacks);
    checkModel(successor);
    expect([...successor.parameters.values()].every(({ kind }) => kind === 'dense')).toBe(true);
  });

  it('says which modules fit, and what has none', () => {
    expect(() => joinModel(gpt2, { ...settings, modules: 4 })).toThrow(
      /modules_do_not_divide.*6 layers cannot be divided into 4 modules that become 1 layer each\. Choose 1, 2, 3 modules/,
    );
    expect(() => joinModel(gpt2, { ...settings, modules: 3, layers: 6 })).toThrow(
      /modules_do_not_divide.*2 layers each\. Choose 1, 2 modules/,
    );
    expect(() => joinModel(tinyModel({ ...gpt2Config, layers: 1 }), { ...settings, modules: 1 })).toThrow(/Use a deeper model/);
  });

  it.each([
    [{}, /steps\[0\]\.theseus\.modules.*layers/],
    [{ modules: 3, layers: 4 }, /theseus\.layers.*multiple of 3/],
    [{ modules: 3, p: 0.5 }, /theseus\.p.*"linear" takes k and b/],
    [{ modules: 3, schedule: 'constant', k: 0.1 }, /theseus\.k/],
    [{ modules: 3, schedule: 'constant', b: 0.1 }, /theseus\.b/],
    [{ modules: 3, k: 0.1, replacementSteps: 5 }, /theseus\.k.*give one/],
    [{ modules: 3, schedule: 'sometimes' }, /theseus\.schedule/],
    [{ modules: 3, b: 1 }, /theseus\.b/],
    [{ modules: 3, training: { stepz: 4 } }, /theseus\.training\.stepz/],
    [{ modul: 3 }, /theseus\.modul.*"modules"/],
  ])('names the fault of %j', (given, message) => {
    expect(() => methods['theseus']?.step(given, 'steps[0].theseus')).toThrow(message);
  });
});

describe('arranged layers', () => {
  it('go on sharing with the layer that holds the weight while it stays', () => {
    const shared = replaceParameters(gpt2, [sharedParameter('h.4.mlp.fc.weight', 'h.1.mlp.fc.weight')]);
    const moved = arrangeBlocks(shared, [[1, 4]]);
    expect(moved.parameters.get('h.1.mlp.fc.weight')).toMatchObject({ kind: 'shared', settings: { of: 'h.0.mlp.fc.weight' } });
    const alone = arrangeBlocks(shared, [[4, 5]]);
    expect(alone.parameters.get('h.0.mlp.fc.weight')?.kind).toBe('dense');
    expect(buildTaskGraph(alone, { batch: 1, length: 3 }).outputs.map(({ name }) => name)).toEqual(['logits']);
  });
});

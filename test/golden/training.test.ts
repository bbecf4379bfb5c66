// Ten AdamW steps against PyTorch: losses, gradient norms and final parameters.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceBuffer, Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { adamW, buildUpdateGraph, type Graph, GraphBuilder, gradientName, gradients, scalarInputName, stateName } from '#graph';
import { causalNetwork, type Model, modelInputs, parameterSpecs, uploadModel } from '#models';
import { float32, toNumbers } from '#tensor';
import { modelTolerances } from '#test/tolerances';
import { expectClose, ids, modelOf, trainingCase, trainingCaseNames, unpack } from './golden.ts';

const engines: readonly (readonly [string, () => Engine | Promise<Engine>])[] = [
  ['reference', () => createReferenceEngine()],
  ['onnx', () => createOnnxEngine({ device: 'cpu' })],
];

/** tokens and labels [B, T] -> `loss`, the mean token cross-entropy, and `gradient:{name}` of every stored tensor. */
function buildGradientGraph(model: Model, [batch = 0, length = 0]: readonly number[]): Graph {
  const b = new GraphBuilder();
  const tokens = b.input('tokens', 'int64', [batch, length]);
  const labels = b.input('labels', 'int64', [batch, length]);
  const net = causalNetwork(b, model, tokens);
  const logits = net.logits(net.hidden(tokens));
  const loss = b.reduceMean(b.crossEntropy(logits, b.reshape(labels, [batch * length]))[0], [0]);
  const derivatives = gradients(b, loss, [...net.parameterInputs.values()]);
  const names = [...net.parameterInputs.keys()];
  return b.graph({ loss, ...Object.fromEntries(names.map((name, index) => [gradientName(name), derivatives[index]!])) });
}

describe.each(engines)('training on the %s engine', (_, create) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await create();
  });
  afterAll(() => engine.dispose());

  it.each(trainingCaseNames)('%s has the loss and every gradient of PyTorch', async (name) => {
    const golden = trainingCase(name);
    const model = modelOf(golden);
    const tokens = ids(golden.tokens);
    const program = await engine.compile(buildGradientGraph(model, tokens.shape));
    const results = await program.run({ ...Object.fromEntries(modelInputs(model)), tokens, labels: ids(golden.labels) });
    expect(toNumbers(results['loss']!.read())[0]).toBeCloseTo(golden.loss, 5);
    expect(new Set(model.parameters.keys())).toEqual(new Set(Object.keys(golden.gradients)));
    for (const [path, gradient] of Object.entries(golden.gradients))
      expectClose(results[gradientName(path)]!.read(), unpack(gradient), modelTolerances.gradients, path);
    await program.release();
  });

  it.each(trainingCaseNames)('%s has the losses and gradient norms of ten AdamW steps in PyTorch', async (name) => {
    const golden = trainingCase(name);
    const { learningRate, clipNorm, ...settings } = golden.optimizer;
    const model = modelOf(golden);
    const optimizer = adamW(settings);
    const parameters = [...parameterSpecs(model).values()].map(({ path, shape, role }) => ({
      name: path,
      shape,
      decays: role !== 'vector',
    }));
    const forwardBackward = await engine.compile(buildGradientGraph(model, ids(golden.tokens).shape));
    const update = await engine.compile(buildUpdateGraph(parameters, optimizer, clipNorm));

    const weights = uploadModel(engine, model);
    const state: Record<string, DeviceBuffer> = {};
    for (const slot of optimizer.stateSlots)
      for (const { name: path, shape } of parameters) state[stateName(slot, path)] = engine.allocate({ dtype: 'float32', shape });

    for (const [index, step] of golden.steps.entries()) {
      const { loss, ...derivatives } = await forwardBackward.run({ ...weights, tokens: ids(step.tokens), labels: ids(step.labels) });
      const scalars = { ...optimizer.scalars(index + 1, learningRate), gradientScale: 1 };
      const scalarInputs = Object.entries(scalars).map(([scalar, value]) => [scalarInputName(scalar), float32([], [value])] as const);
      const inputs = { ...weights, ...state, ...derivatives, ...Object.fromEntries(scalarInputs) };
      const { gradientNorm } = await update.run(inputs, { outputs: { ...weights, ...state } });
      expectClose(loss!.read(), float32([], [step.loss]), modelTolerances.losses, `loss of step ${index + 1}`);
      expectClose(gradientNorm!.read(), float32([], [step.gradientNorm]), { relative: 1e-3 }, `gradient norm of step ${index + 1}`);
      for (const buffer of Object.values(derivatives)) buffer.release();
    }
    for (const [path, tensor] of Object.entries(golden.parametersAfter)) {
      // Softmax ignores the biases of keys: their gradient is rounding alone, which Adam scales up to whole steps.
      if (path.endsWith('attn.qkv.bias')) continue;
      expectClose(weights[path]!.read(), unpack(tensor), modelTolerances.losses, path);
    }
    await forwardBackward.release();
    await update.release();
  });
});

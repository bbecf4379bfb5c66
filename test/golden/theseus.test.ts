// Module replacing against PyTorch: loss and gradients of a step with given modules, and the successor after steps of AdamW.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at, quietContext } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { gradientName } from '#graph';
import { allInputs, declarations, type Model, modelInputs } from '#models';
import { hostTensor, int64, toNumbers } from '#tensor';
import { temporaryFolder } from '#test/temporary';
import { modelTolerances } from '#test/tolerances';
import { buildGradientGraph, classificationObjective, crossEntropyObjective, Trainer, type TrainingScheme, trainSettings } from '#train';
import { isOfSuccessor, joinModel, successorOf } from '../../src/compress/theseus/modules.ts';
import { theseusScheme } from '../../src/compress/theseus/scheme.ts';
import { type EncoderCase, openEncoder } from './encoder-golden.ts';
import { expectClose, ids, type OptimizerSettings } from './golden.ts';

type SavedModel = Pick<EncoderCase, 'config' | 'tensors'>;

interface TheseusCase {
  readonly optimizer: OptimizerSettings;
  readonly draws: readonly string[];
  readonly predecessor: SavedModel;
  /** Of the first step. */
  readonly gradients: SavedModel;
  readonly steps: readonly {
    readonly tokens: readonly (readonly number[])[];
    readonly mask: readonly (readonly number[])[];
    /** A label for each token, or for each text. */
    readonly labels: readonly (readonly number[])[] | readonly number[];
    readonly loss: number;
    readonly gradientNorm: number;
  }[];
  readonly successor: SavedModel;
}

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
});
afterAll(() => engine.dispose());

const read = (name: string): TheseusCase =>
  JSON.parse(readFileSync(new URL(`data/theseus-${name}.json`, import.meta.url), 'utf8')) as TheseusCase;
const open = (saved: SavedModel): Promise<Model> => openEncoder(join(temporaryFolder(), 'saved'), saved as EncoderCase);

/** What a step reads; graphs take what they have inputs for. */
function batchOf({ tokens, mask, labels }: TheseusCase['steps'][number]) {
  const isPerToken = Array.isArray(labels[0]);
  return {
    tokens: ids(tokens),
    mask: hostTensor('bool', [2, 6], Uint8Array.from(mask.flat())),
    tokenTypes: int64([2, 6], new Array<number>(12).fill(0)),
    labels: isPerToken ? ids(labels as readonly (readonly number[])[]) : int64([2], labels as readonly number[]),
  };
}

describe.each(['gpt2', 'bert'])('replaced modules of %s', (name) => {
  const golden = read(name);
  const objective = name === 'gpt2' ? crossEntropyObjective() : classificationObjective();
  const draw = (step: number): string => at(golden.draws, step - 1);

  it('have the loss and the gradients of PyTorch, and only they have gradients', async () => {
    const joined = joinModel(await open(golden.predecessor), { modules: 2, layers: undefined, start: 'first' });
    const trained = allInputs(joined.model).flatMap(({ parameter, input }) =>
      isOfSuccessor(joined.stacks, parameter.path) ? [input.name] : [],
    );
    const { graph } = buildGradientGraph(declarations(joined.model), objective, {
      batch: 2,
      length: 6,
      trained,
      accumulates: false,
      scheme: theseusScheme(joined, { replacementSteps: 1, chance: () => 1 }, 0),
      variant: draw(1),
    });
    const program = await engine.compile(graph);
    const available = { ...Object.fromEntries(modelInputs(joined.model)), ...batchOf(at(golden.steps, 0)) };
    const given = Object.entries(available).filter(([input]) => program.inputNames.includes(input));
    const results: Readonly<Record<string, DeviceBuffer>> = await program.run(Object.fromEntries(given));
    expect(toNumbers(results['loss']!.read())[0]).toBeCloseTo(at(golden.steps, 0).loss, 5);
    const gradients = await open(golden.gradients);
    // The first module alone was drawn.
    const expected = [...gradients.parameters.keys()].filter((path) => path.startsWith('h.0.'));
    const made = Object.keys(results).filter((output) => output.startsWith(gradientName('')));
    expect(made.sort()).toEqual(expected.map((path) => gradientName(path.replace('h.0.', 'h.4.'))).sort());
    for (const path of expected)
      expectClose(
        results[gradientName(path.replace('h.0.', 'h.4.'))]!.read(),
        gradients.parameters.get(path)!.tensors['value']!,
        modelTolerances.gradients,
        path,
      );
    for (const buffer of Object.values(results)) buffer.release();
    await program.release();
  });

  it('are what PyTorch has after steps of AdamW with the same draws', async () => {
    const joined = joinModel(await open(golden.predecessor), { modules: 2, layers: undefined, start: 'first' });
    const { learningRate, beta1, beta2, epsilon, weightDecay, clipNorm } = golden.optimizer;
    const settings = trainSettings({
      steps: golden.steps.length,
      batchSize: 2,
      sequenceLength: 6,
      learningRate,
      warmupSteps: 0,
      schedule: 'constant',
      clipNorm,
      optimizer: { kind: 'adamW', beta1, beta2, epsilon, weightDecay },
      checkpointEvery: 0,
    });
    const drawn: TrainingScheme = {
      ...theseusScheme(joined, { replacementSteps: 9, chance: () => 0 }, 0),
      step: (step) => ({ inputs: {}, variant: draw(step) }),
    };
    const trainer = await Trainer.create(engine, joined.model, objective, settings, {
      scheme: drawn,
      trains: (path) => isOfSuccessor(joined.stacks, path),
    });
    for (const [index, step] of golden.steps.entries()) {
      const { metrics, gradientNorm } = await trainer.run([batchOf(step)], quietContext.signal);
      expect(metrics['loss'], `loss of step ${index + 1}`).toBeCloseTo(step.loss, 4);
      expect(gradientNorm, `gradient norm of step ${index + 1}`).toBeCloseTo(step.gradientNorm, 4);
    }
    const successor = successorOf(trainer.model(), joined.stacks);
    await trainer.dispose();
    const wanted = await open(golden.successor);
    expect(successor.config).toEqual(wanted.config);
    for (const [path, { tensors }] of wanted.parameters) {
      // Softmax ignores the biases of keys: their gradient is rounding alone, which Adam scales up to whole steps.
      if (/attn\.(qkv|k)\.bias$/.test(path)) continue;
      expectClose(successor.parameters.get(path)!.tensors['value']!, tensors['value']!, modelTolerances.losses, path);
    }
  });
});

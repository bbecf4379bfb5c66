// Statistics of the loss for models that do not continue text, against differences of losses that their graphs really give.

import { describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import { type CalibrationWindows, methods, WindowCalibration } from '#compress';
import { createReferenceEngine } from '#engine/reference';
import {
  buildEncoderGraph,
  buildPairScoreGraph,
  denseParameter,
  type EncoderDecoderConfig,
  initializeModel,
  type Model,
  materializeParameter,
  modelInputs,
  parameterCounts,
  replaceParameters,
} from '#models';
import { float32, type HostTensor, hostTensor, int64, toNumbers } from '#tensor';
import { bertConfig, tinyEncoder, tinyTexts, twoLabels } from '#test/encoders';
import { tinySequences } from '#test/tiny-pairs';
import { padTexts } from '#text';

const engine = createReferenceEngine();
const texts = tinyTexts(4);

const labelled: CalibrationWindows = async function* () {
  for (const start of [0, 2]) {
    const chosen = texts.slice(start, start + 2);
    yield {
      ...padTexts(chosen, 13, 0),
      labels: int64(
        [2],
        chosen.map(({ label }) => label),
      ),
    };
  }
};
const withHidden: CalibrationWindows = async function* () {
  for (const start of [0, 2]) {
    const padded = padTexts(texts.slice(start, start + 2), 13, 0);
    const hidden = padded.tokens.data.map((id, place) => (place % 13 === 1 || place % 13 === 3 ? 39n : id));
    yield { ...padded, hidden: hostTensor('int64', [2, 13], hidden) };
  }
};
const sequences: EncoderDecoderConfig = {
  ...tinySequences,
  vocabularySize: 40,
  width: 16,
  heads: 4,
  feedForwardWidth: 32,
  encoder: { layers: 1, heads: 4, headWidth: 4, feedForwardWidth: 32 },
  normPlacement: 'after',
  activation: 'geluTanh',
};
const pairWindows: CalibrationWindows = async function* () {
  yield {
    source: int64([2, 4], [5, 9, 11, 2, 7, 8, 30, 2]),
    tokens: int64([2, 3], [1, 20, 21, 1, 33, 6]),
    labels: int64([2, 3], [20, 21, 2, 33, 6, 2]),
  };
  yield { source: int64([1, 3], [4, 9, 2]), tokens: int64([1, 4], [1, 12, 13, 2]), labels: int64([1, 4], [12, 13, 2, -1]) };
};

function nats(logits: readonly number[], answer: number): number {
  const total = Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0));
  return total - logits[answer]!;
}

async function run(graph: ReturnType<typeof buildEncoderGraph>, model: Model, inputs: object): Promise<Record<string, number[]>> {
  const program = await engine.compile(graph);
  const results = await program.run({ ...Object.fromEntries(modelInputs(model)), ...inputs });
  const read = Object.entries(results).map(([name, buffer]) => [name, Array.from(toNumbers(buffer.read()))] as const);
  for (const buffer of Object.values(results)) buffer.release();
  await program.release();
  return Object.fromEntries(read);
}

/** −log p of the answers to each sequence, and how many answers there are. */
async function losses(windows: CalibrationWindows, model: Model): Promise<{ readonly sums: number[]; readonly answers: number }> {
  const sums: number[] = [];
  let answers = 0;
  for await (const window of windows()) {
    if ('data' in window) throw new Error('no running text here');
    if ('source' in window) {
      const [batch = 0, length = 0] = window.tokens.shape;
      const [, sourceLength = 0] = window.source.shape;
      const mask = hostTensor('bool', window.source.shape);
      mask.data.fill(1);
      const graph = buildPairScoreGraph(model, { batch, length, sourceLength });
      const { negativeLogLikelihood = [] } = await run(graph, model, { source: window.source, sourceMask: mask, labels: window.labels });
      for (let row = 0; row < batch; row++)
        sums.push(negativeLogLikelihood.slice(row * length, (row + 1) * length).reduce((all, one) => all + one, 0));
      answers += Array.from(window.labels!.data).filter((label) => label >= 0n).length;
      continue;
    }
    const { tokens, mask, tokenTypes, labels, hidden } = window;
    const graph = buildEncoderGraph(model, { batch: 2, length: 13 });
    const { logits = [] } = await run(graph, model, { tokens: hidden ?? tokens, mask, tokenTypes });
    for (const row of [0, 1]) {
      if (labels !== undefined) {
        sums.push(nats(logits.slice(row * 2, row * 2 + 2), Number(labels.data[row])));
        answers++;
        continue;
      }
      const asked = [1, 3]
        .map((column) => row * 13 + column)
        .filter((place) => mask.data[place] === 1 && hidden!.data[place] !== tokens.data[place]);
      sums.push(asked.reduce((sum, place) => sum + nats(logits.slice(place * 40, place * 40 + 40), Number(tokens.data[place])), 0));
      answers += asked.length;
    }
  }
  return { sums, answers };
}

function changed(model: Model, path: string, index: number, step: number): Model {
  const { shape, data } = materializeParameter(model, path);
  const moved = Float32Array.from(data);
  moved[index] = moved[index]! + step;
  return replaceParameters(model, [denseParameter(path, float32(shape, moved))]);
}

const cases = [
  ['a classifier', tinyEncoder(bertConfig(twoLabels)), labelled, ['h.0.attn.q.weight', 'h.1.mlp.proj.weight']],
  ['a model of hidden tokens', tinyEncoder(bertConfig({ kind: 'masked' })), withHidden, ['h.0.mlp.fc.weight', 'h.1.attn.out.weight']],
  [
    'an encoder-decoder',
    initializeModel(sequences, new Random(2), 0.2),
    pairWindows,
    ['encoder.h.0.mlp.fc.weight', 'decoder.h.0.cross.k.weight'],
  ],
] as const;

describe.each(cases)('the loss of %s', (_, model, windows, wanted) => {
  const known = [...model.parameters.keys()];
  const paths = wanted.filter((path) => known.includes(path));
  const calibration = new WindowCalibration(engine, windows);

  it('has these squared slopes', async () => {
    expect(paths, known.join(' ')).toEqual(wanted);
    for await (const { path, squares, windows: sequencesSeen } of calibration.gradientSquares(model, paths, quietContext)) {
      const largest = squares.indexOf(Math.max(...squares));
      for (const index of [largest, 5]) {
        const step = 2 ** -6;
        const [up, down] = [
          await losses(windows, changed(model, path, index, step)),
          await losses(windows, changed(model, path, index, -step)),
        ];
        expect(up.sums).toHaveLength(sequencesSeen);
        const slopes = up.sums.map((loss, sequence) => (loss - down.sums[sequence]!) / (2 * step));
        const expected = slopes.reduce((sum, slope) => sum + slope * slope, 0);
        expect(Math.abs(squares[index]! - expected)).toBeLessThan(0.02 * expected + 1e-3 * squares[largest]!);
      }
    }
  });

  it('is probed with a matrix exchanged', async () => {
    const path = paths[0]!;
    const mean = async (which: Model): Promise<number> => {
      const { sums, answers } = await losses(windows, which);
      return sums.reduce((all, one) => all + one, 0) / answers;
    };
    const probe = await calibration.lossProbe(model, [path], quietContext);
    const { shape } = materializeParameter(model, path);
    const zeros: HostTensor<'float32'> = hostTensor('float32', shape);
    expect(await probe.loss()).toBeCloseTo(await mean(model), 5);
    expect(await probe.loss(path, zeros)).toBeCloseTo(await mean(replaceParameters(model, [denseParameter(path, zeros)])), 5);
    await probe.release();
    expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  });

  it.each([
    ['lowRank', { method: 'fwsvd', ratio: 0.5 }],
    ['lowRank', { method: 'whitened', ratio: 0.5, allocate: 'loss' }],
    ['prune', { structure: 'heads', ratio: 0.5 }],
    ['prune', { structure: 'ffn', ratio: 0.5, importance: 'firstOrder' }],
  ] as const)('leads %s %j', async (name, settings) => {
    const step = methods[name]!.step(settings, name);
    const { model: smaller } = await step.apply(model, { engine, calibration }, quietContext);
    expect(parameterCounts(smaller).storedBytes).toBeLessThan(parameterCounts(model).storedBytes);
    expect((await losses(windows, smaller)).sums.every(Number.isFinite)).toBe(true);
  });
});

describe('the width of encoders', () => {
  it.each(cases.slice(0, 2))('is cut by the loss of %s, its head included', async (_, model, windows) => {
    const step = methods['prune']!.step({ structure: 'width', ratio: 0.75 }, 'prune');
    const { model: smaller } = await step.apply(model, { engine, calibration: new WindowCalibration(engine, windows) }, quietContext);
    expect(smaller.config.width).toBe(12);
    expect((await losses(windows, smaller)).sums.every(Number.isFinite)).toBe(true);
  });
});

describe('data without answers', () => {
  it.each([
    [
      'labels',
      cases[0][1],
      async function* () {
        yield padTexts(texts, 13, 0);
      },
      /have no labels\. Give labelled data/,
    ],
    [
      'hidden tokens',
      cases[1][1],
      async function* () {
        yield padTexts(texts, 13, 0);
      },
      /have no hidden tokens/,
    ],
    [
      'targets',
      cases[2][1],
      async function* () {
        yield { source: int64([1, 2], [4, 2]), tokens: int64([1, 2], [1, 5]) };
      },
      /have no targets/,
    ],
    ['a loss', tinyEncoder(bertConfig({ kind: 'embed', pooling: 'mean', normalize: true })), labelled, /model of embeddings has none/],
  ] as const)('is refused where there are no %s', async (_, model, windows: CalibrationWindows, message) => {
    const [path] = [...model.parameters.keys()].filter((each) => each.endsWith('fc.weight'));
    const read = async (): Promise<void> => {
      for await (const each of new WindowCalibration(engine, windows).gradientSquares(model, [path!], quietContext))
        expect(each).toBeDefined();
    };
    await expect(read()).rejects.toThrow(message);
    expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  });
});

// Factorized embeddings: counts, tied heads, frequencies, errors; and the same model wherever it goes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import { type CompressionEnvironment, type MethodResult, methods, WindowCalibration } from '#compress';
import { createOnnxEngine, writeOnnxModel } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { buildLogitsGraph, initializeModel, type Model, materializeParameter, modelInputs, parameterCounts } from '#models';
import { exportHuggingFace, importHuggingFace } from '#store';
import { castTensor, int64, toNumbers } from '#tensor';
import { fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';
import { repositoryRoot } from '#test/shared';
import { temporaryFolder } from '#test/temporary';
import { textFromStrings, tokenizeCorpus } from '#text';
import { exactSigma, frobenius, tailNorm } from './matrices.ts';
import { gpt2Config, llamaConfig, tinyModel } from './tiny-model.ts';

const engine = createReferenceEngine();
const table = 'embed.token.weight';

function factorize(settings: object, model: Model, environment: Partial<CompressionEnvironment> = {}): Promise<MethodResult> {
  return methods['factorizeEmbedding']!.step(settings, 'factorizeEmbedding').apply(model, { engine, ...environment }, quietContext);
}

function error(before: Model, after: Model): number {
  const [w, made] = [materializeParameter(before, table).data, materializeParameter(after, table).data];
  return frobenius(w.map((value, index) => value - made[index]!)) / frobenius(w);
}

describe('factorizeEmbedding', () => {
  it("counts V·E + E·D, as ALBERT's 3,938,304 in place of 23,040,000", async () => {
    const counted = (vocabulary: number, width: number, narrow: number): number => vocabulary * narrow + narrow * width;
    expect(counted(30_000, 768, 128)).toBe(3_938_304);
    const model = tinyModel();
    const { model: after, report } = await factorize({ width: 6 }, model);
    expect(parameterCounts(model).stored - parameterCounts(after).stored).toBe(40 * 16 - counted(40, 16, 6));
    expect(report).toMatchObject({ method: 'factorizeEmbedding', bytesBefore: 4 * 40 * 16, bytesAfter: 4 * counted(40, 16, 6) });
    expect(after.parameters.get(table)).toMatchObject({ kind: 'lowRank', settings: { rank: 6 } });
  });

  it('touches the table of tokens only, unless patterns say otherwise', async () => {
    const { report } = await factorize({ width: 3 }, tinyModel());
    expect(report.layers.map(({ path }) => path)).toEqual([table]);
    const { report: both } = await factorize({ width: 3, include: ['embed.*'] }, tinyModel());
    expect(both.layers.map(({ path }) => path)).toEqual([table, 'embed.position.weight']);
  });

  it('leaves a tied head tied and an untied one as it is', async () => {
    const tied = await factorize({ width: 5 }, tinyModel());
    expect(tied.model.config.tiedHead).toBe(true);
    expect(tied.model.parameters.has('head.weight')).toBe(false);
    const untied = tinyModel(llamaConfig);
    const after = await factorize({ width: 5 }, untied);
    expect(after.model.parameters.get('head.weight')).toBe(untied.parameters.get('head.weight'));
  });

  it('reproduces the table at full width, and loses exactly the discarded singular values below', async () => {
    const model = tinyModel();
    expect(error(model, (await factorize({ width: 16 }, model)).model)).toBeLessThan(1e-6);
    let before = 0;
    for (const width of [12, 7, 3, 1]) {
      const { model: after, report } = await factorize({ width }, model);
      const dense = materializeParameter(model, table);
      expect(error(model, after)).toBeCloseTo(tailNorm(exactSigma(dense), width) / frobenius(dense.data), 5);
      expect(report.layers[0]!.weightError).toBeCloseTo(error(model, after), 5);
      expect(error(model, after)).toBeGreaterThan(before);
      before = error(model, after);
    }
  });

  it('takes a share of the bytes in place of a width, and leaves a table that would not shrink', async () => {
    const model = tinyModel();
    const { report } = await factorize({ ratio: 0.5 }, model);
    expect(report.layers[0]!.rank).toBe(Math.floor((0.5 * 40 * 16) / 56));
    expect(report.bytesAfter / report.bytesBefore).toBeLessThanOrEqual(0.5);
    const once = await factorize({ width: 1 }, model);
    const { report: kept } = await factorize({ ratio: 0.99 }, once.model);
    expect(kept.layers[0]).toMatchObject({ bytesAfter: kept.bytesBefore, note: expect.stringContaining('kept as it is: width 1') });
  });

  it('is closer on frequent tokens when it looks at frequencies', async () => {
    const model = tinyModel();
    const calibration = new WindowCalibration(engine, async function* () {
      yield int64([1, 24], Array(24).fill(7));
    });
    const [plain, frequent] = [
      await factorize({ width: 3 }, model),
      await factorize({ width: 3, method: 'frequency' }, model, { calibration }),
    ];
    const rowError = ({ model: after }: MethodResult): number => {
      const row = (which: Model): Float32Array => materializeParameter(which, table).data.slice(7 * 16, 8 * 16);
      return frobenius(row(model).map((value, index) => value - row(after)[index]!));
    };
    expect(rowError(frequent)).toBeLessThan(0.5 * rowError(plain));
    expect(error(model, frequent.model)).toBeGreaterThan(error(model, plain.model));
  });

  it.each<[string, object, RegExp]>([
    [
      'a width beyond the smaller side',
      { width: 17 },
      /\[rank_out_of_range\] factorizeEmbedding: rank 17 of embed\.token\.weight .*1\.\.16/,
    ],
    ['neither width nor ratio', {}, /\[bad_recipe\] factorizeEmbedding: needs either width or ratio/],
    ['both', { width: 3, ratio: 0.5 }, /needs either width or ratio/],
    ['a width of zero', { width: 0 }, /\[bad_recipe\] factorizeEmbedding\.width/],
    ['an unknown field', { widht: 3 }, /factorizeEmbedding\.widht: unknown field\. Did you mean "width"/],
    [
      'patterns without an embedding',
      { width: 3, include: ['h.0.mlp.fc.weight'] },
      /\[pattern_matches_nothing\] factorizeEmbedding: .*embed\.token\.weight/,
    ],
    ['everything excluded', { width: 3, exclude: ['*'] }, /\[pattern_matches_nothing\]/],
    ['frequencies without text', { width: 3, method: 'frequency' }, /\[not_enough_samples\] factorizeEmbedding/],
  ])('refuses %s', async (_what, settings, message) => {
    await expect((async () => factorize(settings, tinyModel()))()).rejects.toThrow(message);
  });

  it('refuses weights that are not finite, and a table in codes', async () => {
    const model = tinyModel();
    const coded = await methods['quantize']!.step({ bits: 8, groupSize: 16, include: [table] }, 'quantize').apply(
      model,
      { engine },
      quietContext,
    );
    await expect(factorize({ width: 3 }, coded.model)).rejects.toMatchObject({ code: 'already_quantized' });
    const broken = initializeModel(gpt2Config, new Random(1));
    broken.parameters.get(table)!.tensors['value']!.data[5] = Number.NaN;
    await expect(factorize({ width: 3 }, broken)).rejects.toThrow(/\[bad_weights\] embed\.token\.weight\[0, 5\] is NaN/);
  });
});

describe.each(['wiki-gpt2-7m', 'stories260K'] as const)('factorizeEmbedding of %s', async (name) => {
  const onnx = await createOnnxEngine({ device: 'cpu' });
  afterAll(() => onnx.dispose());
  const { model: original, tokenizerFiles } = await importHuggingFace(fixtureModelFolder(name));
  const parameters = [...original.parameters].map(([path, parameter]) => {
    const value = castTensor(parameter.tensors['value']!, 'float32');
    return [path, { ...parameter, tensors: { value } }] as const;
  });
  const model: Model = { ...original, parameters: new Map(parameters) };
  const text = readFileSync(join(repositoryRoot, 'test/fixtures/text/evaluate.txt'), 'utf8').slice(0, 2000);
  const corpus = await tokenizeCorpus(textFromStrings([text]), fixtureTokenizer(name), quietContext);
  const tokens = int64([1, 48], Array.from(corpus.tokens.slice(0, 48), Number));

  async function logits(which: Model): Promise<number[]> {
    const program = await onnx.compile(buildLogitsGraph(which, { batch: 1, length: 48 }), { frozen: new Map(modelInputs(which)) });
    const results = await program.run({ tokens });
    const numbers = Array.from(toNumbers(results['logits']!.read()));
    for (const buffer of Object.values(results)) buffer.release();
    await program.release();
    return numbers;
  }
  const worst = (left: ArrayLike<number>, right: ArrayLike<number>): number =>
    Array.from(left).reduce(
      (most, value, index) => Math.max(most, Math.abs(value - right[index]!)),
      left.length === right.length ? 0 : 1e9,
    );

  it('gives the same logits exported to Hugging Face and to ONNX', async () => {
    const step = methods['factorizeEmbedding']!.step({ ratio: 0.5 }, 'factorizeEmbedding');
    const { model: after, report } = await step.apply(model, { engine: onnx }, quietContext);
    expect(report.bytesAfter / report.bytesBefore).toBeGreaterThan(0.45);
    const wanted = await logits(after);
    const folder = join(temporaryFolder(), 'hf');
    await exportHuggingFace(after, tokenizerFiles, folder);
    expect(worst(await logits((await importHuggingFace(folder)).model), wanted)).toBeLessThan(1e-4);
    const onnxFolder = temporaryFolder();
    const graph = buildLogitsGraph(after, { batch: 'B', length: 'T' });
    await writeOnnxModel(graph, { initializers: new Map(modelInputs(after)), path: onnxFolder, name });
    const session = await InferenceSession.create(join(onnxFolder, 'model.onnx'));
    const results = await session.run({ tokens: new Tensor('int64', tokens.data, [1, 48]) });
    expect(worst(results['logits']!.data as Float32Array, wanted)).toBeLessThan(1e-4);
  });

  it('changes the logits less with every width', async () => {
    const wanted = await logits(model);
    let before = Number.POSITIVE_INFINITY;
    for (const ratio of [0.2, 0.5, 0.8]) {
      const step = methods['factorizeEmbedding']!.step({ ratio }, 'factorizeEmbedding');
      const made = await logits((await step.apply(model, { engine: onnx }, quietContext)).model);
      const distance = frobenius(made.map((value, index) => value - wanted[index]!));
      expect(distance).toBeLessThan(before);
      before = distance;
    }
  });
});

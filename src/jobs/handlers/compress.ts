// Compress: a recipe applied to a stored model, with calibration text where a step wants it.
import { AppError, Random } from '#base';
import { type Calibration, type CompressionReport, compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import type { Engine } from '#engine';
import { taskOf } from '#models';
import type { JsonObject, JsonValue } from '#store';
import type { HostTensor } from '#tensor';
import { type TokenCorpus, WindowSampler } from '#text';
import { checkInput, parseYaml } from '../check-input.ts';
import type { JobContext, JobHandler } from '../job.ts';
import type { ModelHub, ModelLease } from '../model-hub.ts';
import type { CompressResult, ParameterChange } from '../results.ts';
import { type CompressSpec, compressSpecSchema } from '../specs.ts';
import { textSource, tokenizeText } from '../text-data.ts';
import { checkReads, checkWrites } from './names.ts';
import { sentenceCalibration } from './sentence-calibration.ts';

/** Tokens of a calibration window where the request does not say. */
const defaultWindow = 128;

/** Windows in one run of the model. */
const windowsPerRun = 8;

export function compressHandler(hub: ModelHub, engine: Engine): JobHandler<CompressSpec, CompressResult> {
  return {
    kind: 'compress',
    usesDevice: true,
    canResume: false,
    parse(input) {
      const spec = checkInput(compressSpecSchema, withParsedYaml(input), 'compress');
      const { steps } = parseRecipe(spec.recipe, methods);
      const wanting = steps.find(({ needsCalibration }) => needsCalibration);
      if (wanting !== undefined && spec.data === undefined)
        throw new AppError(
          'invalid_argument',
          `compress.data: the step ${wanting.method} looks at activations and needs calibration text. Give a text file.`,
          {
            details: { field: 'compress.data' },
          },
        );
      return spec;
    },
    names: ({ model, name }) => ({ source: model, target: name }),
    async prepare({ model, name, replace, data }) {
      await checkReads(hub, [model]);
      await checkWrites(hub, name, replace);
      if (data !== undefined) await textSource(data);
    },
    run: (spec, context) => hub.using(spec.model, (lease) => compress(hub, engine, lease, spec, context)),
  };
}

/** A recipe may come as text; it is stored as what it says. */
function withParsedYaml(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || !('recipeYaml' in input)) return input;
  const { recipeYaml, ...rest } = input;
  if ('recipe' in rest) throw new AppError('invalid_argument', 'compress.recipeYaml: give either a recipe or its YAML, not both.');
  return { ...rest, recipe: parseYaml(String(recipeYaml), 'recipe') };
}

async function compress(
  hub: ModelHub,
  engine: Engine,
  lease: ModelLease,
  spec: CompressSpec,
  context: JobContext,
): Promise<CompressResult> {
  const recipe = parseRecipe(spec.recipe, methods);
  const window = Math.min(spec.calibration.sequenceLength ?? defaultWindow, lease.model.config.maxPositions);
  const sample = recipe.steps.some(({ needsCalibration }) => needsCalibration)
    ? await sampleInputs(engine, lease, spec, window, context)
    : undefined;
  const environment = { engine, ...(sample === undefined ? {} : { calibration: sample.calibration }) };
  const { model, report } = await compressModel(lease.model, recipe, environment, context);
  const settings: JsonObject = {
    operation: 'compress',
    ...(sample === undefined ? {} : { calibration: { ...spec.calibration, sequenceLength: window } }),
  };
  const { tokenizerFiles, generation } = lease.artefact;
  const meta = {
    parents: [{ hash: lease.version.hash, role: 'source' }],
    recipe: spec.recipe as JsonValue,
    settings,
    ...(sample === undefined ? {} : { data: sample.fingerprint }),
  };
  const saved = await hub.save(spec.name, { model, tokenizerFiles, generation, meta }, context.jobId, context);
  return { model: saved, changes: changesOf(report) };
}

/** What the layers see: windows of running text, or lines as an encoder reads them. Undefined without data. */
async function sampleInputs(
  engine: Engine,
  lease: ModelLease,
  { data, calibration }: CompressSpec,
  window: number,
  context: JobContext,
): Promise<{ readonly calibration: Calibration; readonly fingerprint: string } | undefined> {
  if (data === undefined) return undefined;
  if (taskOf(lease.model.config).kind !== 'causal') return sentenceCalibration(data, lease, engine, { ...calibration, window }, context);
  const corpus = await tokenizeText(data, lease.tokenizer, context);
  return { calibration: calibrationOf(engine, corpus, calibration, window), fingerprint: corpus.fingerprint };
}

/** The same windows each time that a method asks for them. */
function calibrationOf(engine: Engine, corpus: TokenCorpus, { sequences, seed }: CompressSpec['calibration'], window: number): Calibration {
  const drawSeed = new Random(seed).bits();
  const { windows } = new WindowSampler(corpus.tokens, { batch: 1, window, seed: drawSeed });
  const wanted = Math.min(sequences, windows);
  const batch = Math.min(windowsPerRun, wanted);
  const runs = Math.floor(wanted / batch);
  async function* draw(): AsyncGenerator<HostTensor<'int64'>> {
    const sampler = new WindowSampler(corpus.tokens, { batch, window, seed: drawSeed });
    for (let run = 0; run < runs; run++) yield sampler.next().tokens;
  }
  return new WindowCalibration(engine, draw, { windows: runs });
}

function changesOf(report: CompressionReport): ParameterChange[] {
  return report.steps.flatMap(({ layers }) =>
    layers.map((layer) => ({
      path: layer.path,
      parametrization: layer.kindAfter,
      storedBytesBefore: layer.bytesBefore,
      storedBytesAfter: layer.bytesAfter,
      relativeError: layer.outputError ?? layer.weightError,
      ...(layer.rank === undefined ? {} : { rank: layer.rank }),
    })),
  );
}

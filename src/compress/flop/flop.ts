// FLOP: matrices as gated factors, of which training finds out how many terms each needs.
import { AppError, at, type OperationContext } from '#base';
import { denseParameter, type Model, materializeParameter, type Parameter, type ParameterSpec, replaceParameters } from '#models';
import { teachersNamed } from '#teaching';
import { castTensor, dtypeBytes, tensorBytes } from '#tensor';
import { defaultTrainSettings, type TrainResult } from '#train';
import { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { relativeError } from '../decomposition/factor-problem.ts';
import type { CompressionEnvironment, LayerReport, Method, MethodResult, MethodTrainRequest, TrainingMaterial } from '../method.ts';
import { methodReport } from '../method.ts';
import { selectMatrices } from '../patterns.ts';
import { trainedStep, trainOrRecall } from '../train-or-recall.ts';
import { gateTensors } from './flop-scheme.ts';
import { factorsOf, type GatedLayer, layerBytes, pairsOf, ranksOf, termBytes, totalBytesBefore } from './gated-model.ts';
import { gateSchedule } from './schedule.ts';
import { type FlopSettings, flopSettings } from './settings.ts';
import { compiledFactors } from './slice-terms.ts';
import { FlopStages, type GatedModel } from './stages.ts';
import { type Decomposed, GatedStart, gatedLayers, randomStart, startRanks } from './start.ts';

/** How far the stored size may be from what was asked for before the report says so. */
const sizeTolerance = 0.02;

/**
 * Every selected matrix becomes P·diag(z)·Q with one hard-concrete gate a term; training brings the expected size to `ratio`, and what is stored
 * afterwards is an ordinary low-rank model (or adaptive embedding), dense where that is smaller.
 *
 * @see README.md beside this file; Z. Wang, J. Wohlwend, T. Lei, "Structured pruning of large language models", EMNLP 2020
 */
export const flop: Method<FlopSettings> = {
  name: 'flop',
  settings: flopSettings,
  needsCalibration: ({ start }) => start === 'whitened',
  models: ({ training }) => teachersNamed(training),
  training: ({ training }) => training,
  // A square matrix of full rank is two of its size.
  growth: ({ start, startRatio = start === 'random' ? 1 : 2 }) => Math.min(2, Math.max(1, startRatio)),
  check: (model, settings) => void selectMatrices(model, settings),
  async apply(model, settings, environment, context) {
    const { training } = environment;
    if (training === undefined) throw new AppError('not_enough_samples', 'flop: trains on text and got none. Give data.');
    if (settings.start === 'whitened' && environment.calibration === undefined)
      throw new AppError('not_enough_samples', 'flop: start "whitened" looks at what layers read and got no calibration text. Give data.');
    const specs = selectMatrices(model, settings);
    const layers = gatedLayers(model, specs, settings, training.corpus);
    const budgetBytes = settings.ratio * totalBytesBefore(layers);
    checkBudget(layers, budgetBytes, settings);
    const matrices = new EngineMatrices(environment.engine, context.signal);
    try {
      const seed = settings.seed ?? environment.seed ?? 0;
      const gated = new GatedStart(model, matrices, seed, context);
      const trained = await trainOrRecall(environment, 'flop', model, () =>
        train({ model, settings, specs, layers, gated, seed, budgetBytes, training }, environment, context),
      );
      return await resultOf(trained, { model, specs, layers, gated, budgetBytes });
    } finally {
      await matrices.release();
    }
  },
};

/** @throws AppError `bad_recipe` where not even one term of each matrix fits */
function checkBudget(layers: readonly GatedLayer[], budgetBytes: number, { ratio }: FlopSettings): void {
  const smallest = layers.reduce((sum, layer) => sum + layerBytes(layer, Array<number>(layer.pairs.length).fill(1)), 0);
  if (smallest <= budgetBytes * (1 + sizeTolerance)) return;
  const least = Math.ceil((smallest / totalBytesBefore(layers)) * 1e4) / 1e4;
  const message = `flop.ratio: ${ratio} cannot be reached: one term of each matrix stores ${least} of the bytes already. Ask for at least ${least}.`;
  throw new AppError('bad_recipe', message, { details: { field: 'flop.ratio', ratio, least } });
}

interface FlopRun {
  readonly model: Model;
  readonly settings: FlopSettings;
  readonly specs: readonly ParameterSpec[];
  readonly layers: readonly GatedLayer[];
  readonly gated: GatedStart;
  readonly seed: number;
  readonly budgetBytes: number;
  readonly training: TrainingMaterial;
}

async function train(
  run: FlopRun,
  { seed: recipeSeed, calibration }: CompressionEnvironment,
  context: OperationContext,
): Promise<{ readonly parameters: readonly Parameter[]; readonly note: string }> {
  const { model, settings, specs, layers, gated, seed, budgetBytes, training } = run;
  const ranks = (layer: GatedLayer): readonly number[] => startRanks(layer, settings);
  const isRandom = settings.start === 'random';
  const base = isRandom ? randomStart(model, layers, ranks, seed) : model;
  const start = async (): Promise<GatedModel> => {
    if (isRandom) return { model: base };
    const seen = settings.start === 'whitened' ? calibration : undefined;
    const decomposed: Decomposed[] = [];
    const wanted = layers.map((layer, index) => ({ spec: at(specs, index), layer, ranks: ranks(layer) }));
    for await (const each of gated.decomposed(wanted, seen)) {
      decomposed.push(each);
      context.report({ phase: 'flop: decompose', step: decomposed.length, total: layers.length, item: each.parameter.path });
    }
    const factored = replaceParameters(
      model,
      decomposed.map(({ parameter }) => parameter),
    );
    if (seen === undefined) return { model: factored };
    const losses = await gated.termLosses(decomposed, seen);
    return { model: factored, losses: lossesByGate(layers, layers.flatMap(ranks), losses) };
  };
  const stages = new FlopStages({ settings, layers, model: base, startRanks: layers.flatMap(ranks), start, seed, budgetBytes });
  // Random weights want larger steps than trained ones, whoever teaches them.
  const { learningRate } = defaultTrainSettings;
  const trainingSettings = {
    ...(isRandom ? { learningRate } : {}),
    ...settings.training,
    seed: settings.training.seed ?? recipeSeed ?? seed,
  };
  const request: MethodTrainRequest = {
    model,
    settings: trainingSettings,
    place: 'flop.training',
    stages: (reached, full) => stages.stage(reached, full),
  };
  const { patience, evaluateEvery, heldOut } = settings;
  // Before the gates are hard, the model is another one with every recompilation, and none of them is the result.
  const from = gateSchedule(settings, await training.settings(request)).gatedSteps;
  const result = await training.train({ ...request, stopping: { patience, evaluateEvery, heldOut, from } }, context);
  return { parameters: finalParameters(result, stages, layers), note: trainedStep(result, () => false).note };
}

/** Losses a byte, gate by gate. */
function lossesByGate(
  layers: readonly GatedLayer[],
  ranks: readonly number[],
  losses: ReadonlyMap<string, Float64Array>,
): (number | undefined)[] {
  const bytes = termBytes(layers);
  return pairsOf(layers).flatMap(({ path }, pair) =>
    Array.from({ length: at(ranks, pair) }, (_, term) => {
      const ofPath = losses.get(path);
      return ofPath === undefined ? undefined : at(ofPath, term) / at(bytes, pair);
    }),
  );
}

/** Every parameter of the model, the gated ones as they are stored: factors in their type, or dense where that is smaller. */
function finalParameters({ model, schemeTensors }: TrainResult, stages: FlopStages, layers: readonly GatedLayer[]): Parameter[] {
  const gates = schemeTensors.get(gateTensors.gates);
  const multipliers = gates === undefined ? undefined : stages.multipliers(model, gates);
  let pair = 0;
  const gatedParameters = layers.map((layer) => {
    const factors = factorsOf(model, layer).map((each) => {
      const ofPair = multipliers?.[pair++];
      return ofPair === undefined ? each : compiledFactors(each, ofPair);
    });
    return storedForm(model, layer, layer.withFactors(factors));
  });
  return [...replaceParameters(model, gatedParameters).parameters.values()];
}

function storedForm(model: Model, layer: GatedLayer, parameter: Parameter): Parameter {
  const { path, dtype, denseElements } = layer;
  const whole = replaceParameters(model, [parameter]);
  const factors = factorsOf(whole, layer).map(({ left, right }) => ({ left: castTensor(left, dtype), right: castTensor(right, dtype) }));
  const rounded = layer.withFactors(factors);
  if (bytesOf(rounded) <= denseElements * dtypeBytes[dtype]) return rounded;
  return denseParameter(path, castTensor(materializeParameter(whole, path), dtype));
}

function bytesOf({ tensors }: Parameter): number {
  return Object.values(tensors).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
}

async function resultOf(
  { model, note }: { readonly model: Model; readonly note: string },
  run: Pick<FlopRun, 'model' | 'specs' | 'layers' | 'gated' | 'budgetBytes'>,
): Promise<MethodResult> {
  const layers: LayerReport[] = [];
  for (const [index, layer] of run.layers.entries()) layers.push(await reportOf(model, at(run.specs, index), layer, run.gated));
  const report = methodReport('flop', layers);
  const share = report.bytesAfter / report.bytesBefore;
  const isOff = Math.abs(report.bytesAfter / run.budgetBytes - 1) > sizeTolerance;
  const size = `${(100 * share).toFixed(2)} % of the stored bytes stay${isOff ? ', as near to the target as whole terms come' : ''}`;
  return { model, report: { ...report, note: `${note}; ${size}` } };
}

async function reportOf(model: Model, spec: ParameterSpec, layer: GatedLayer, gated: GatedStart): Promise<LayerReport> {
  const { path, kindBefore, bytesBefore } = layer;
  const parameter = model.parameters.get(path);
  if (parameter === undefined) throw new AppError('internal', `${path} is lost.`);
  const kept = { path, kindBefore, kindAfter: parameter.kind, bytesBefore, bytesAfter: bytesOf(parameter) };
  if (parameter.kind === 'dense') {
    const note = 'dense, which stores less than the terms that stay';
    return { ...kept, weightError: gated.denseError(spec, materializeParameter(model, path)), note };
  }
  const ranks = ranksOf(model, [layer]);
  const weightError = relativeError(await gated.loss(spec, layer, factorsOf(model, layer)));
  if (ranks.length > 1) return { ...kept, weightError, note: `terms by cluster: ${ranks.join(', ')}` };
  return { ...kept, weightError, rank: at(ranks, 0) };
}

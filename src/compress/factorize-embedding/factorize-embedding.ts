// The factorized embedding: a table [V, D] becomes a narrow table [V, E] and a projection [E, D].
import { AppError, type OperationContext } from '#base';
import { type Model, type ParameterSpec, parameterSpecs, replaceParameters } from '#models';
import type { Calibration } from '../calibration.ts';
import { balanceFactors } from '../decomposition/balance.ts';
import { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { type FactorProblem, plainProblem, scaledProblem } from '../decomposition/factor-problem.ts';
import { dominantEigen } from '../decomposition/gram-eigen.ts';
import { LayerRun } from '../layer-run.ts';
import { componentBytes, rankForRatio } from '../low-rank/ranks.ts';
import { checkRank, describeTarget, factorizedLayer, keptAsItIs, type Target, weightOf } from '../low-rank/target.ts';
import { type FinishedLayer, type Method, methodReport } from '../method.ts';
import { selectMatrices } from '../patterns.ts';
import { type FactorizeEmbeddingSettings, factorizeEmbeddingSettings } from './settings.ts';

const name = 'factorizeEmbedding';

/**
 * Embedding tables in ALBERT's form, from trained ones by a truncated SVD. A tied head stays tied: it multiplies by the same two factors.
 *
 * @see README.md beside this file; Z. Lan et al., "ALBERT: A lite BERT for self-supervised learning of language representations", ICLR 2020, §3.1.
 * We differ: the factors come from a trained table and not from training.
 */
export const factorizeEmbedding: Method<FactorizeEmbeddingSettings> = {
  name,
  settings: factorizeEmbeddingSettings,
  needsCalibration: ({ method }) => method === 'frequency',
  check: (model, settings) => void selectTargets(model, settings),
  async apply(model, settings, environment, context) {
    const { width, ratio = 1 } = settings;
    const targets = selectTargets(model, settings);
    const layers = new LayerRun('factorize embedding', targets.length, environment, context);
    const counts = settings.method === 'frequency' ? await tokenCounts(model, environment.calibration, context) : undefined;
    const matrices = new EngineMatrices(environment.engine, context.signal);
    try {
      const finished: FinishedLayer[] = [];
      for (const target of targets) {
        const rank = width ?? rankForRatio(target, ratio);
        const make = async (): Promise<FinishedLayer> => {
          const bytesAfter = rank * componentBytes(target);
          // A width is an order; a ratio asks for a smaller model.
          if (width === undefined && bytesAfter >= target.bytesBefore)
            return keptAsItIs(target, `width ${rank} would store ${bytesAfter} bytes in place of ${target.bytesBefore}`);
          const problem = await tableProblem(matrices, model, target, counts);
          try {
            const eigen = await dominantEigen(matrices, problem.gram, rank, settings.seed ?? environment.seed ?? 0);
            return await factorizedLayer(matrices, model, target, balanceFactors(await problem.factors(eigen)));
          } finally {
            problem.release();
          }
        };
        finished.push(await layers.layer(target.spec.path, make));
      }
      const replacements = finished.flatMap(({ parameters }) => parameters);
      const report = methodReport(
        name,
        finished.map(({ layer }) => layer),
      );
      return { model: replaceParameters(model, replacements), report };
    } finally {
      await matrices.release();
    }
  },
};

/** @throws AppError those of `selectTables` | `rank_out_of_range` */
function selectTargets(model: Model, settings: FactorizeEmbeddingSettings): Target[] {
  const targets = selectTables(model, settings).map((spec) => describeTarget(model, spec));
  if (settings.width !== undefined) for (const target of targets) checkRank(target, settings.width, name);
  return targets;
}

/** Without patterns the tables over the vocabulary; patterns may name any table, such as that of positions. */
function selectTables(model: Model, { include, exclude }: FactorizeEmbeddingSettings): ParameterSpec[] {
  const tables = [...parameterSpecs(model).values()].filter(({ role }) => role === 'embedding');
  const overTokens = tables.filter(({ shape }) => shape[0] === model.config.vocabularySize).map(({ path }) => path);
  const selected = selectMatrices(model, { include: include ?? overTokens, exclude }).filter(({ role }) => role === 'embedding');
  if (selected.length > 0) return selected;
  const known = tables.map(({ path }) => path).join(', ');
  throw new AppError('pattern_matches_nothing', `${name}: the patterns leave no embedding. The model has ${known}.`);
}

async function tokenCounts(model: Model, calibration: Calibration | undefined, context: OperationContext): Promise<Float64Array> {
  if (calibration !== undefined) return await calibration.tokenCounts(model, context);
  throw new AppError('not_enough_samples', `${name}: method "frequency" counts tokens and got no calibration text. Give data.`);
}

/** Rows of other tables than that of tokens have no frequencies. */
function tableProblem(matrices: EngineMatrices, model: Model, target: Target, counts: Float64Array | undefined): Promise<FactorProblem> {
  const weight = weightOf(model, target);
  if (counts === undefined || counts.length !== target.rows) return plainProblem(matrices, weight);
  // One more than counted: a token that the text lacks is still a token.
  return scaledProblem(
    matrices,
    weight,
    counts.map((count) => Math.sqrt(count + 1)),
  );
}

// The objective of distillation: any weighted sum of losses between a student and its teachers, in one graph.
import { at, invariant } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import { type GraphBuilder, gradients, type Value } from '#graph';
import { borrowModel, declarations, type GraphNetwork, inPieces, layerTaps, type Model, type ModelConfig } from '#models';
import type { DistillationLoss } from '#teaching';
import { askedRows, meanOfRows, type Objective, type ObjectiveContext, type ObjectiveGraph } from '#train';
import { overWrittenTokens } from '../written-tokens.ts';
import { divergenceRows, reverseKl, teachersAsOne } from './divergence.ts';
import { gradientMetric, lossScheme, measures, normsIn, projectionName, weightMetric, weightsIn } from './loss-scheme.ts';
import { type OwnSamples, seesOwnSamples } from './own-samples.ts';
import { type LossPlan, lastSharedState, planLosses } from './plan.ts';
import { type PolicyGradient, type PolicyRows, policyGradientLoss, policyRows } from './policy-gradient.ts';
import { sharedState, stateLoss } from './state-losses.ts';
import type { Sequences } from './text-means.ts';
import { LossWeights } from './weights.ts';

/** A model to learn from, and what it counts among several. */
export interface WeightedTeacher {
  readonly model: Model;
  /** Above 0; only its share in the sum matters. */
  readonly weight: number;
  /** Its weights where they are on the device already, by the names of `borrowModel`; they stay the caller's. Absent: a copy of the training's own. */
  readonly weights?: Readonly<Record<string, DeviceBuffer>> | undefined;
}

/** Prefix of the parameter names of the teacher at this place inside a student's graph. */
export function teacherPrefix(index = 0): string {
  return index === 0 ? 'teacher/' : `teacher${index}/`;
}

/** A distillation objective whose teachers are held on the device until `release`. */
export interface TeacherObjective extends Objective {
  release(): void;
}

export interface ObjectiveRequest {
  readonly student: Pick<Model, 'config'>;
  readonly teachers: readonly WeightedTeacher[];
  readonly losses: readonly DistillationLoss[];
  /** Steps between two measurements of the gradients' norms; undefined: weights are as they stand. */
  readonly balanceEvery?: number | undefined;
  /** What is averaged of several teachers. @default 'probabilities' */
  readonly average?: 'probabilities' | 'logits' | undefined;
  /** Texts in a batch. */
  readonly batch?: number;
  /** For students that guess hidden tokens: how many there are in a batch of this length of sequences. */
  readonly hiddenTokens?: ((length: number) => number) | undefined;
  /** Of the projections' start. @default 0 */
  readonly seed?: number;
  /** Steps on what the student draws itself; absent: there are none. */
  readonly samples?: OwnSamples | undefined;
}

/** What is added up in one kind of step. */
interface LossSum {
  readonly plans: readonly LossPlan[];
  readonly weights: LossWeights;
}

/** Scalars of a graph by the name under which they are reported. */
type Metrics = Record<string, Value>;

/**
 * Σ wᵢ·lossᵢ. The teachers run in the student's graph; their logits never leave the device and never stand in memory for a whole batch, nor
 * does anything of their insides that no loss asks for.
 *
 * In steps on the student's own samples the same terms are taken over the drawn tokens, with weights of their own.
 *
 * Metrics: each term without its weight (`crossEntropy`, `divergence`, `hidden`, …), `accuracy` of models that do not continue text; of moving
 * weights the weight (`hiddenWeight`), of balanced ones the newest norm of the term's gradient (`hiddenGradient`).
 *
 * @throws AppError `invalid_argument` as `planLosses`; nothing is uploaded then
 */
export function distillationObjective(engine: Engine, request: ObjectiveRequest): TeacherObjective {
  const { student, teachers, losses, balanceEvery, average = 'probabilities', batch, hiddenTokens, seed = 0, samples } = request;
  const configs = {
    student: student.config,
    teachers: teachers.map(({ model }) => model.config),
    ...(batch === undefined ? {} : { batch }),
  };
  const sumOf = (terms: readonly DistillationLoss[]): LossSum => ({
    plans: planLosses(terms, configs),
    weights: new LossWeights(
      terms.map(({ weight }) => weight),
      balanceEvery,
    ),
  });
  const onData = sumOf(losses);
  const onSamples = samples && { ...sumOf(samples.losses), isOwn: samples.isOwn };
  // Only what the graph needs to know is kept: the weights of the teachers are on the device.
  const taught = teachers.map(({ model, weight }) => ({ declaration: declarations(model), weight }));
  const { inputs, own } = teacherInputs(engine, teachers);
  const scheme = lossScheme(onData.plans, onData.weights, seed, onSamples);
  return {
    name: 'distill',
    inputs,
    ...(scheme && { scheme }),
    release: () => releaseAll(own),
    build: (given) => {
      const isOwn = onSamples !== undefined && seesOwnSamples(given.scheme);
      const context = isOwn ? overWrittenTokens(given) : given;
      const { plans, weights } = isOwn ? onSamples : onData;
      const { b } = context;
      const networks = taught.map(({ declaration }, index) => b.at('teacher', () => context.networkOf(declaration, teacherPrefix(index))));
      const shares = taught.map(({ weight }) => weight);
      const answers = answerTerms(context, plans, { networks, shares, average, hiddenTokens, policy: isOwn ? samples?.policy : undefined });
      const terms = plans.map((plan, index) => answers.terms.get(plan) ?? insideTerm(context, plan, index, networks));
      return weightedSum(context, student.config, plans, weights, terms, answers.metrics);
    },
  };
}

type Buffers = Readonly<Record<string, DeviceBuffer>>;

/** The weights of all teachers, and those of them that nobody lent. Leaves nothing on the device when one of them does not fit. */
function teacherInputs(engine: Engine, teachers: readonly WeightedTeacher[]): { readonly inputs: Buffers; readonly own: Buffers } {
  const lent: Record<string, DeviceBuffer> = {};
  const own: Record<string, DeviceBuffer> = {};
  try {
    for (const [index, { model, weights }] of teachers.entries()) {
      const prefix = teacherPrefix(index);
      if (weights === undefined) Object.assign(own, borrowModel(engine, model, prefix));
      else for (const [name, buffer] of Object.entries(weights)) lent[prefix + name] = buffer;
    }
  } catch (error) {
    releaseAll(own);
    throw error;
  }
  return { inputs: { ...lent, ...own }, own };
}

function releaseAll(buffers: Readonly<Record<string, DeviceBuffer>>): void {
  for (const buffer of Object.values(buffers)) buffer.release();
}

interface Teachers {
  readonly networks: readonly GraphNetwork[];
  readonly shares: readonly number[];
  readonly average: 'probabilities' | 'logits';
  readonly hiddenTokens: ObjectiveRequest['hiddenTokens'];
  /** Of samples that are learnt by policy gradient, from one teacher. */
  readonly policy: PolicyGradient | undefined;
}

interface AnswerTerms {
  readonly terms: ReadonlyMap<LossPlan, Value>;
  readonly metrics: Metrics;
}

/** The terms that look at answers, in pieces of rows; builds the networks' hidden states, which the other terms look at. */
function answerTerms(context: ObjectiveContext, plans: readonly LossPlan[], teachers: Teachers): AnswerTerms {
  const { b, student, task, tokens } = context;
  const { networks, shares, average, hiddenTokens, policy } = teachers;
  if (!plans.some(({ kind }) => kind === 'labels' || kind === 'logits')) {
    for (const network of networks) b.at('teacher', () => network.hidden(tokens));
    student.hidden(tokens);
    return { terms: new Map(), metrics: {} };
  }
  const { labels, weights, choices, hidden, logits } = askedRows(context, hiddenTokens);
  const asksTeachers = plans.some(({ kind }) => kind === 'logits');
  const teacherPieces = networks.map((network) => {
    const rows = b.at('teacher', () => hidden(network)); // [N, D of the teacher]
    return inPieces(b, rows, labels, choices);
  });
  const pieces = inPieces(b, hidden(student), labels, choices).map(([rows, wanted], piece) => {
    const teacherLogits = asksTeachers
      ? networks.map((network, index) => b.at('teacher', () => logits(network, at(at(teacherPieces, index), piece)[0])))
      : [];
    const studentLogits = logits(student, rows);
    const [crossEntropy, logProbabilities] = b.crossEntropy(studentLogits, wanted);
    const losses = new Map<LossPlan, Value>();
    const drawn = new Map<LossPlan, PolicyRows>();
    for (const plan of plans) {
      if (plan.kind === 'labels') losses.set(plan, crossEntropy);
      if (plan.kind !== 'logits') continue;
      const { temperature } = plan.loss;
      const ofTeachers = b.at('teacher', () => teachersAsOne(b, teacherLogits, shares, { temperature, average }));
      const ofStudent = temperature === 1 ? logProbabilities : b.logSoftmax(b.mul(studentLogits, 1 / temperature));
      if (policy === undefined) {
        losses.set(plan, divergenceRows(b, ofTeachers, ofStudent, plan.loss)); // [n]
        continue;
      }
      const divergence = divergenceRows(b, ofTeachers, ofStudent, reverseKl);
      drawn.set(plan, policyRows(b, { studentLogits, teacherLogits: at(teacherLogits, 0), drawn: wanted, divergence }, policy));
    }
    const isRight = (): Value => b.cast(b.equal(b.argMax(studentLogits, 1), wanted), 'float32');
    return { losses, drawn, accuracy: task.kind === 'causal' ? undefined : isRight() };
  });
  const mean = (of: (piece: (typeof pieces)[number]) => Value | undefined): Value | undefined => {
    const rows = pieces.flatMap((piece) => of(piece) ?? []);
    return rows.length === 0 ? undefined : meanOfRows(b, rows, weights);
  };
  const terms = new Map<LossPlan, Value>();
  for (const plan of plans) {
    const samples = pieces.flatMap(({ drawn }) => drawn.get(plan) ?? []);
    const term = samples.length > 0 ? policyGradientLoss(b, samples, countsOf(context)) : mean(({ losses }) => losses.get(plan));
    if (term !== undefined) terms.set(plan, term);
  }
  const accuracy = mean((piece) => piece.accuracy);
  return { terms, metrics: accuracy === undefined ? {} : { accuracy } };
}

function countsOf({ counts }: ObjectiveContext): Value {
  invariant(counts !== undefined, 'samples say which of their tokens were drawn');
  return counts;
}

/** A term that looks at states or attentions. */
function insideTerm(context: ObjectiveContext, plan: LossPlan, index: number, networks: readonly GraphNetwork[]): Value {
  invariant('states' in plan, 'only labels and logits are answers');
  const { b, student, scheme } = context;
  const projects = 'projection' in plan && plan.projection !== undefined;
  return b.at(plan.name, () =>
    stateLoss(b, plan, {
      student,
      teacher: at(networks, plan.states.teacher),
      sequences: sequencesOf(context, plan.states.stack),
      projection: projects ? scheme.tensor(projectionName(index)) : undefined,
    }),
  );
}

function sequencesOf({ b, tokens, counts, mask, sourceMask }: ObjectiveContext, stack: 'encoder' | 'decoder' | undefined): Sequences {
  const asCounts = (x: Value): Value => b.cast(x, 'float32');
  if (stack === 'encoder') {
    invariant(sourceMask !== undefined, 'an encoder-decoder has a source');
    return { batch: [at(sourceMask.shape, 0), at(sourceMask.shape, 1)], counts: asCounts(sourceMask) };
  }
  const real = mask === undefined ? undefined : asCounts(mask);
  const both = real === undefined || counts === undefined ? (counts ?? real) : b.mul(real, counts);
  return { batch: [at(tokens.shape, 0), at(tokens.shape, 1)], counts: both };
}

/** What a term's gradient keeps of its temperature: T² makes up for the 1/T² of softened distributions. */
function temperatureFactor(plan: LossPlan): number {
  return plan.kind === 'logits' ? plan.loss.temperature ** 2 : 1;
}

function weightedSum(
  context: ObjectiveContext,
  student: ModelConfig,
  plans: readonly LossPlan[],
  weights: LossWeights,
  terms: readonly Value[],
  further: Metrics,
): ObjectiveGraph {
  const { b, scheme } = context;
  const metrics: Metrics = Object.fromEntries(plans.map(({ name }, index) => [name, at(terms, index)]));
  const scaled = plans.map((plan, index) => {
    const factor = temperatureFactor(plan);
    return factor === 1 ? at(terms, index) : b.mul(at(terms, index), factor);
  });
  const entry = (values: Value, index: number): Value => b.reshape(b.slice(values, 0, index, index + 1), []);
  const weighted = plans.flatMap(({ name }, index): Value[] => {
    if (!weights.moves(index)) {
      const fixed = at(weights.at(1), index);
      return fixed === 0 ? [] : [b.mul(at(scaled, index), fixed)];
    }
    const weight = entry(weightsIn(scheme, plans.length), index);
    metrics[weightMetric(name)] = weight;
    return [b.mul(at(scaled, index), weight)];
  });
  if (weights.isBalanced) {
    const place = lastSharedState(plans);
    const norms = measures(scheme)
      ? gradientNorms(b, scaled, sharedState(context.student, layerTaps(student, place.stack), place))
      : plans.map((_, index) => entry(normsIn(scheme, plans.length), index));
    for (const [index, { name }] of plans.entries()) metrics[gradientMetric(name)] = at(norms, index);
  }
  const loss = weighted.reduce((sum, each) => b.add(sum, each));
  return { loss, metrics: { ...metrics, ...further } };
}

/** ‖∂term/∂state‖ of each term. */
function gradientNorms(b: GraphBuilder, terms: readonly Value[], state: Value): readonly Value[] {
  return terms.map((term) => {
    const [gradient] = gradients(b, term, [state]);
    invariant(gradient !== undefined, 'one value has one gradient');
    return b.sqrt(
      b.reduceSum(
        b.mul(gradient, gradient),
        gradient.shape.map((_, axis) => axis),
      ),
    );
  });
}

// Training with gates in stages: each runs a graph over the terms that are left, the last one without gates.
import { at, invariant } from '#base';
import { declarations, type Model, replaceParameters } from '#models';
import { float32, type HostTensor, toNumbers } from '#tensor';
import { type Checkpoint, schemeName, type TrainingStage, type TrainSettings } from '#train';
import { chooseTerms, type KeptTerms } from './choose-terms.ts';
import { flopScheme, gatesByLoss, gateTensors, initialGates, openGates, sparsityOf } from './flop-scheme.ts';
import { byPair, type GatedLayer, pairNames, pairsOf, ranksOf, termBytes } from './gated-model.ts';
import { evaluatedGate, initialGate } from './hard-concrete.ts';
import { targetAt } from './lagrangian.ts';
import { endOfStage, type GateSchedule, gateSchedule } from './schedule.ts';
import type { FlopSettings } from './settings.ts';
import { foldGates, type Slicing, sliceTensors } from './slice-terms.ts';

/** Closed terms are left in the graph while they are less of it than this: a new graph has to be compiled. */
const worthCompiling = 0.02;

/** How far apart α of the strongest and the weakest term of a decomposed matrix begin. */
const defaultSpread = 4;

export interface StagesOptions {
  readonly settings: FlopSettings;
  readonly layers: readonly GatedLayer[];
  /** Where all but the gated parameters train from. */
  readonly model: Model;
  /** Terms of each pair that training begins with. */
  readonly startRanks: readonly number[];
  /** What training begins with; asked for only where there is no checkpoint. */
  readonly start: () => Promise<GatedModel>;
  readonly seed: number;
  readonly budgetBytes: number;
}

/** A model with factors, and what is known of their terms. */
export interface GatedModel {
  readonly model: Model;
  /** What the loss minds about each term for a byte of it, one a gate; undefined where that is not known. */
  readonly losses?: readonly (number | undefined)[];
}

/** The stages of one training, as the training loop asks for them. */
export class FlopStages {
  readonly #options: StagesOptions;
  #last: TrainingStage | undefined;

  constructor(options: StagesOptions) {
    this.#options = options;
  }

  /** What trains from a checkpoint on, which must follow from it alone: the same for a run that goes on as for one that never stopped. */
  async stage(reached: Checkpoint | undefined, train: TrainSettings): Promise<TrainingStage> {
    const { settings } = this.#options;
    const schedule = gateSchedule(settings, train);
    if (reached === undefined) return this.#gated(await this.#options.start(), undefined, schedule, train);
    const { step } = reached.progress;
    const isGated = reached.tensors.has(gatesKey);
    const model = this.#modelOf(reached);
    if (!isGated) return { model, scheme: { name: 'flop' }, from: reached, until: train.steps };
    if (step >= schedule.gatedSteps && step < train.steps) {
      const settled = this.#settled(model, reached);
      return { model: this.#modelOf(settled), scheme: { name: 'flop' }, from: settled, until: train.steps };
    }
    const isEnd = schedule.recompileEvery > 0 && step % schedule.recompileEvery === 0;
    const smaller = isEnd ? this.#withoutClosed(model, reached) : reached;
    if (smaller === reached && this.#last !== undefined)
      return { ...this.#last, from: reached, until: endOfStage(schedule, step, train.steps) };
    return this.#gated({ model: this.#modelOf(smaller) }, smaller, schedule, train);
  }

  /** What multiplies each term when gates become hard: its value at evaluation, or 0 where it goes; one list a pair. */
  multipliers(model: Model, gates: HostTensor): readonly (readonly number[])[] {
    const { layers, settings, budgetBytes } = this.#options;
    const { beta } = settings;
    const alphas = byPair(toNumbers(gates), ranksOf(model, layers));
    const kept = chooseTerms(layers, alphas, { beta, budgetBytes }).map((indices) => new Set(indices));
    return alphas.map((ofPair, pair) => ofPair.map((alpha, index) => (at(kept, pair).has(index) ? evaluatedGate(alpha, beta) : 0)));
  }

  #gated({ model, losses }: GatedModel, from: Checkpoint | undefined, schedule: GateSchedule, train: TrainSettings): TrainingStage {
    const { settings, layers, startRanks, seed } = this.#options;
    const { beta, lagrangian, ratio, dropTendency, spread = settings.start === 'random' ? 0 : defaultSpread } = settings;
    const alpha = initialGate(dropTendency);
    // The schedule must not depend on what only the first stage knows: the order of the gates changes the sparsity of the start a little.
    const start = sparsityOf(layers, byPair(initialGates(startRanks, alpha, spread), startRanks), beta);
    const plain = initialGates(ranksOf(model, layers), alpha, spread);
    const scheme = flopScheme({
      model: declarations(model),
      layers,
      initialGates: losses === undefined ? plain : gatesByLoss(plain, losses, alpha, spread),
      beta,
      lagrangian,
      gateFactor: schedule.gateFactor,
      multiplierFactor: schedule.multiplierFactor,
      seed,
      target: (step) => targetAt(step, schedule.targetWarmupSteps, start, 1 - ratio),
    });
    this.#last = { model, scheme, from, until: endOfStage(schedule, from?.progress.step ?? 0, train.steps) };
    return this.#last;
  }

  /** The model with the terms of a checkpoint; all its trained numbers come from there. */
  #modelOf({ tensors }: Checkpoint): Model {
    const { layers, model } = this.#options;
    const parameters = layers.map((layer) => {
      const empty = layer.withFactors(layer.pairs.map(({ rows, columns }) => ({ left: zeros([rows, 1]), right: zeros([1, columns]) })));
      const declared = { config: model.config, parameters: new Map([[layer.path, empty]]) };
      return layer.withFactors(
        layer.pairs.map((pair) => {
          const names = pairNames(declared, pair);
          return { left: tensorOf(tensors, names.left), right: tensorOf(tensors, names.right) };
        }),
      );
    });
    return replaceParameters(model, parameters);
  }

  /** Terms whose gates have closed for good are taken out, with their optimizer state. */
  #withoutClosed(model: Model, reached: Checkpoint): Checkpoint {
    const { layers, settings, budgetBytes } = this.#options;
    const ranks = ranksOf(model, layers);
    const alphas = byPair(toNumbers(tensorOf(reached.tensors, gatesKey)), ranks);
    const { beta, closedBelow } = settings;
    // What would stay if training ended now is never taken out: a size that is below its target for a while can come back.
    const chosen = chooseTerms(layers, alphas, { beta, budgetBytes });
    const open = openGates(alphas, beta, closedBelow).map((ofPair, pair) =>
      [...new Set([...ofPair, ...at(chosen, pair)])].sort((first, second) => first - second),
    );
    const bytes = termBytes(layers);
    const sum = (counts: readonly number[]): number => counts.reduce((total, count, pair) => total + count * at(bytes, pair), 0);
    const left = sum(open.map(({ length }) => length)) / sum(ranks);
    return 1 - left < worthCompiling ? reached : { ...reached, tensors: this.#sliced(model, reached.tensors, open) };
  }

  /** Gates become hard: the terms that stay have their multipliers in their right factor, and no gates any more. */
  #settled(model: Model, reached: Checkpoint): Checkpoint {
    const { layers } = this.#options;
    const multipliers = this.multipliers(model, tensorOf(reached.tensors, gatesKey));
    const folded = new Map(reached.tensors);
    for (const [pair, each] of pairsOf(layers).entries()) {
      const { right } = pairNames(model, each);
      folded.set(right, foldGates(tensorOf(reached.tensors, right), at(multipliers, pair)));
    }
    const kept = multipliers.map((ofPair) => ofPair.flatMap((multiplier, index) => (multiplier === 0 ? [] : [index])));
    const sliced = this.#sliced(model, folded, kept);
    const isOurs = (name: string): boolean => Object.values(gateTensors).some((own) => name.endsWith(schemeName(own)));
    return { ...reached, tensors: new Map([...sliced].filter(([name]) => !isOurs(name))) };
  }

  #sliced(model: Model, tensors: ReadonlyMap<string, HostTensor>, kept: KeptTerms): ReadonlyMap<string, HostTensor> {
    const { layers } = this.#options;
    const ranks = ranksOf(model, layers);
    const slicings = new Map<string, Slicing>();
    let offset = 0;
    const gates: number[] = [];
    for (const [pair, each] of pairsOf(layers).entries()) {
      const names = pairNames(model, each);
      const indices = at(kept, pair);
      slicings.set(names.left, { axis: 1, kept: indices });
      slicings.set(names.right, { axis: 0, kept: indices });
      for (const index of indices) gates.push(offset + index);
      offset += at(ranks, pair);
    }
    slicings.set(gatesKey, { axis: 0, kept: gates });
    return sliceTensors(tensors, slicings);
  }
}

const gatesKey = schemeName(gateTensors.gates);

function zeros(shape: readonly [number, number]): HostTensor<'float32'> {
  return float32(shape, new Float32Array(shape[0] * shape[1]));
}

function tensorOf(tensors: Checkpoint['tensors'], name: string): HostTensor {
  const tensor = tensors.get(name);
  invariant(tensor !== undefined, `the checkpoint has ${name}`);
  return tensor;
}

// What a list of losses means for two given models: layers, projections and heads, checked before anything is uploaded.
import { AppError, at } from '#base';
import { type LayerTaps, layerTaps, type ModelConfig } from '#models';
import type { DistillationLoss, LayerMap, LossKind, LossOf } from '#teaching';
import { type LayerPair, layerPairs } from './layer-map.ts';

/** A state of the student, counted in one stack: 0 is what the first layer reads, n what layer n-1 makes of it. */
export interface StatePlace {
  readonly stack: 'encoder' | undefined;
  readonly state: number;
}

/** Of losses that compare insides. */
export interface StatesPlan {
  readonly teacher: number;
  readonly stack: 'encoder' | 'decoder' | undefined;
  readonly pairs: readonly LayerPair[];
  readonly student: LayerTaps;
  readonly ofTeacher: LayerTaps;
}

interface PlanOf<Kind extends LossKind> {
  readonly kind: Kind;
  readonly loss: LossOf<Kind>;
  /** Under which it is reported. */
  readonly name: string;
  /** The last state of the student that it depends on. */
  readonly reach: StatePlace;
}

interface Projected {
  /** Shape [D of the student, D of the teacher] of the trained projection, where there is one. */
  readonly projection: readonly [number, number] | undefined;
}

export type LossPlan =
  | PlanOf<'labels'>
  | PlanOf<'logits'>
  | (PlanOf<'hidden'> & Projected & { readonly states: StatesPlan })
  | (PlanOf<'embeddings'> & Projected & { readonly states: StatesPlan })
  | (PlanOf<'attention'> & { readonly states: StatesPlan; readonly distance: 'mse' | 'kl' })
  | (PlanOf<'relation'> & { readonly states: StatesPlan /** Of each pair, for minilmv2. */; readonly heads: readonly number[] });

const metricNames: { readonly [Kind in LossKind]: string } = {
  labels: 'crossEntropy',
  logits: 'divergence',
  hidden: 'hidden',
  attention: 'attention',
  relation: 'relation',
  embeddings: 'embeddings',
};

/** What a loss compares where it does not say. */
const defaultLayers = {
  hidden: () => 'uniform',
  attention: () => 'uniform',
  relation: () => [[-1, -1]],
} as const satisfies Record<string, () => LayerMap>;

/** Reports of one list have names of their own: the second `hidden` is `hidden2`. */
function uniqueNames(losses: readonly DistillationLoss[]): readonly string[] {
  const seen = new Map<string, number>();
  return losses.map(({ kind }) => {
    const name = metricNames[kind];
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return count === 1 ? name : `${name}${count}`;
  });
}

export interface ModelsToCompare {
  readonly student: ModelConfig;
  readonly teachers: readonly ModelConfig[];
  /** Texts in a batch. */
  readonly batch?: number;
}

/**
 * @throws AppError `invalid_argument` naming the field: a teacher that is not there, layers that do not map, widths that differ without a projection, heads
 * that differ or do not divide
 */
export function planLosses(losses: readonly DistillationLoss[], models: ModelsToCompare): readonly LossPlan[] {
  const names = uniqueNames(losses);
  return losses.map((loss, index) => new LossPlanner(models, `losses[${index}]`, at(names, index)).plan(loss));
}

class LossPlanner {
  readonly #models: ModelsToCompare;
  readonly #place: string;
  readonly #name: string;

  constructor(models: ModelsToCompare, place: string, name: string) {
    this.#models = models;
    this.#place = place;
    this.#name = name;
  }

  plan(loss: DistillationLoss): LossPlan {
    const { student, teachers } = this.#models;
    const name = this.#name;
    const last: StatePlace = { stack: undefined, state: student.layers };
    if (loss.kind === 'labels') return { kind: loss.kind, loss, name, reach: last };
    if (teachers.length === 0)
      throw this.#fail('kind', `"${loss.kind}" compares with a teacher, and there is none. Name a teacher, or keep "labels" alone.`);
    switch (loss.kind) {
      case 'logits':
        return { kind: loss.kind, loss, name, reach: last };
      case 'embeddings': {
        const states = this.#states(loss, undefined);
        return { kind: loss.kind, loss, name, states, reach: this.#reach(loss.stack, 0), projection: this.#projection(loss) };
      }
      case 'hidden': {
        const states = this.#states(loss, loss.layers ?? defaultLayers.hidden());
        return {
          kind: loss.kind,
          loss,
          name,
          states,
          reach: this.#reach(loss.stack, deepest(states) + 1),
          projection: this.#projection(loss),
        };
      }
      case 'attention': {
        const { of, distance = of === 'scores' ? 'mse' : 'kl' } = loss;
        if (of === 'scores' && distance === 'kl')
          throw this.#fail('distance', '"kl" compares distributions, which scores are not. Choose of: probabilities, or distance: mse.');
        const states = this.#states(loss, loss.layers ?? defaultLayers.attention());
        this.#checkHeads(states, 'heads');
        return { kind: loss.kind, loss, name, states, reach: this.#reach(loss.stack, deepest(states)), distance };
      }
      case 'relation': {
        const states = this.#states(loss, loss.layers ?? defaultLayers.relation());
        return { kind: loss.kind, loss, name, states, ...this.#relation(loss, states) };
      }
    }
  }

  #relation(loss: LossOf<'relation'>, states: StatesPlan): { readonly heads: readonly number[]; readonly reach: StatePlace } {
    if (loss.of === 'gram') {
      if (loss.over === 'batch' && this.#models.batch === 1)
        throw this.#fail('over', '"batch" compares the texts of a batch, which is of one. Raise batchSize, or choose "tokens".');
      return { heads: [], reach: this.#reach(loss.stack, deepest(states) + 1) };
    }
    const reach = this.#reach(loss.stack, deepest(states));
    if (loss.of === 'minilmv2') return { heads: states.pairs.map((pair) => this.#relationHeads(loss, states, pair)), reach };
    this.#checkHeads(states, 'heads');
    this.#checkHeads(states, 'keyValueHeads');
    return { heads: [], reach };
  }

  /** @throws AppError where the relation heads do not divide what they cut */
  #relationHeads({ heads }: LossOf<'relation'>, states: StatesPlan, [ofStudent, ofTeacher]: LayerPair): number {
    const sides = [
      { who: 'student', layer: ofStudent, layout: at(states.student.heads, ofStudent) },
      { who: 'teacher', layer: ofTeacher, layout: at(states.ofTeacher.heads, ofTeacher) },
    ];
    const wanted = heads ?? at(sides, 0).layout.heads;
    for (const { who, layer, layout } of sides) {
      const widths = [layout.heads * layout.headWidth, layout.keyValueHeads * layout.headWidth];
      for (const width of widths)
        if (width % wanted !== 0)
          throw this.#fail(
            'heads',
            `${wanted} relation heads do not divide ${width}, the width of the queries, keys or values of layer ${layer} of the ${who}. Choose a number that divides ${[...new Set(widths)].join(' and ')}.`,
          );
    }
    return wanted;
  }

  #checkHeads({ pairs, student, ofTeacher }: StatesPlan, of: 'heads' | 'keyValueHeads'): void {
    for (const [studentLayer, teacherLayer] of pairs) {
      const [ours, theirs] = [at(student.heads, studentLayer)[of], at(ofTeacher.heads, teacherLayer)[of]];
      if (ours === theirs) continue;
      const what = of === 'heads' ? 'heads' : 'heads of keys and values';
      throw this.#fail(
        'kind',
        `layer ${studentLayer} of the student has ${ours} ${what} and layer ${teacherLayer} of the teacher ${theirs}: head by head they cannot be compared. Use {kind: relation, of: minilmv2}, which cuts them anew.`,
      );
    }
  }

  #states(
    { teacher, stack }: { readonly teacher: number; readonly stack?: 'encoder' | 'decoder' | undefined },
    layers: LayerMap | undefined,
  ): StatesPlan {
    const { student, teachers } = this.#models;
    const taught = teachers[teacher];
    if (taught === undefined) throw this.#fail('teacher', `there is no teacher ${teacher}: there are ${teachers.length}, counted from 0.`);
    const tapsOf = (config: ModelConfig): LayerTaps => {
      try {
        return layerTaps(config, stack);
      } catch (cause) {
        throw this.#fail('stack', `a ${config.architecture} model has one stack of layers. Leave "stack" out.`, cause);
      }
    };
    const [own, ofTeacher] = [tapsOf(student), tapsOf(taught)];
    const depths = [own.layers.length, ofTeacher.layers.length] as const;
    const pairs = layers === undefined ? [] : layerPairs(layers, ...depths, `${this.#place}.layers`);
    return { teacher, stack, pairs, student: own, ofTeacher };
  }

  #projection({ projection, teacher }: LossOf<'hidden'> | LossOf<'embeddings'>): readonly [number, number] | undefined {
    const { student, teachers } = this.#models;
    const [from, to] = [student.width, at(teachers, teacher).width];
    if (projection === 'none' && from !== to)
      throw this.#fail(
        'projection',
        `states of the student are ${from} wide and those of the teacher ${to}: without a projection they cannot be compared. Leave "projection" out, or choose a relation loss.`,
      );
    return projection === 'learned' || (projection === undefined && from !== to) ? [from, to] : undefined;
  }

  #reach(stack: 'encoder' | 'decoder' | undefined, state: number): StatePlace {
    return { stack: stack === 'encoder' ? stack : undefined, state };
  }

  #fail(field: string, why: string, cause?: unknown): AppError {
    const place = `${this.#place}.${field}`;
    return new AppError('invalid_argument', `${place}: ${why}`, { details: { field: place }, ...(cause === undefined ? {} : { cause }) });
  }
}

/** The deepest layer of the student that is compared. */
function deepest({ pairs }: StatesPlan): number {
  return Math.max(...pairs.map(([student]) => student));
}

/**
 * The last state of the student that all terms depend on: what balances the terms looks at their gradients there. The decoder of an
 * encoder-decoder depends on every state of its encoder.
 */
export function lastSharedState(plans: readonly LossPlan[]): StatePlace {
  const inEncoder = plans.filter(({ reach }) => reach.stack === 'encoder');
  const places = inEncoder.length === 0 ? plans : inEncoder;
  return { stack: at(places, 0).reach.stack, state: Math.min(...places.map(({ reach }) => reach.state)) };
}

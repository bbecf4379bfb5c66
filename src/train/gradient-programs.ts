// The compiled forward and backward passes of a training run: one a length of sequences (or pair of lengths) and variant of the scheme.
import type { Engine, Program } from '#engine';
import type { ModelDeclaration } from '#models';
import { buildGradientGraph, type GradientGraph, type GradientGraphOptions } from './gradient-graph.ts';
import type { Objective } from './objective.ts';

/** T, S of an encoder-decoder, and the scheme's variant. */
export type BatchCase = Pick<GradientGraphOptions, 'length' | 'sourceLength' | 'variant'>;

/** What all programs of a run have in common. */
export type RunOptions = Pick<
  GradientGraphOptions,
  'batch' | 'trained' | 'masked' | 'scheme' | 'products' | 'recompute' | 'precision' | 'lossScaled'
>;

interface KeptProgram {
  readonly variant: string;
  readonly compiled: Promise<Program>;
}

/**
 * Programs that are held: the one that was used longest ago goes first. One holds its graph and not the weights: about 5 MiB, and 0.05 to 0.15 seconds of a
 * processor to compile 6 to 12 layers. So even variants that never repeat cost less than a graph that computes them all and selects.
 */
const mostPrograms = 48;

/** Compiles a program when a batch of its length comes first, so that padded batches of a few lengths cost a few programs. */
export class GradientPrograms {
  readonly #engine: Engine;
  readonly #student: ModelDeclaration;
  readonly #objective: Objective;
  readonly #options: RunOptions;
  /** In the order of their last use. */
  readonly #programs = new Map<string, KeptProgram>();
  readonly #mostPrograms: number;

  constructor(engine: Engine, student: ModelDeclaration, objective: Objective, options: RunOptions, limit = mostPrograms) {
    this.#mostPrograms = limit;
    this.#engine = engine;
    this.#student = student;
    this.#objective = objective;
    this.#options = options;
  }

  /** @throws AppError `context_too_long` */
  graph(batch: BatchCase, accumulates: boolean): GradientGraph {
    return buildGradientGraph(this.#student, this.#objective, { ...this.#options, ...batch, accumulates });
  }

  /** @param accumulates - adds to the gradients that are there: the program for all but a step's first micro-batch */
  program(batch: BatchCase, accumulates: boolean): Promise<Program> {
    return this.#kept(batch, accumulates ? 'gradients-adding' : 'gradients', () => this.graph(batch, accumulates));
  }

  /** The loss and the metrics alone. @param objective - in place of that of the training; one a run */
  lossProgram(batch: BatchCase, objective?: Objective): Promise<Program> {
    // Measured as the result will compute.
    const options = { ...this.#options, ...batch, trained: [], products: undefined, accumulates: false, lossScaled: false };
    return this.#kept(batch, 'loss', () => buildGradientGraph(this.#student, objective ?? this.#objective, options));
  }

  /** Gives back the programs of all other variants. */
  async keepOnly(variant: string | undefined): Promise<void> {
    const others = [...this.#programs].filter(([, kept]) => kept.variant !== (variant ?? ''));
    for (const [key, { compiled }] of others) {
      this.#programs.delete(key);
      await (await compiled).release();
    }
  }

  async #kept(batch: BatchCase, name: string, build: () => GradientGraph): Promise<Program> {
    const key = `${name} ${batch.length} ${batch.sourceLength ?? ''} ${batch.variant ?? ''}`;
    const known = this.#programs.get(key);
    if (known !== undefined) {
      this.#programs.delete(key);
      this.#programs.set(key, known);
      return known.compiled;
    }
    for (const [oldest, { compiled }] of this.#programs) {
      if (this.#programs.size < this.#mostPrograms) break;
      this.#programs.delete(oldest);
      await (await compiled).release();
    }
    const compiled = this.#engine.compile(build().graph, { name });
    this.#programs.set(key, { variant: batch.variant ?? '', compiled });
    compiled.catch(() => this.#programs.delete(key));
    return compiled;
  }

  async release(): Promise<void> {
    const compiled = await Promise.allSettled([...this.#programs.values()].map((kept) => kept.compiled));
    this.#programs.clear();
    await Promise.all(compiled.map((each) => (each.status === 'fulfilled' ? each.value.release() : undefined)));
  }
}

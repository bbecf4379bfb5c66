// The compiled forward and backward passes of a training run: one a length of sequences (or pair of lengths) and variant of the scheme.
import type { Engine, Program } from '#engine';
import type { ModelDeclaration } from '#models';
import { buildGradientGraph, type GradientGraph, type GradientGraphOptions } from './gradient-graph.ts';
import type { Objective } from './objective.ts';

/** T, S of an encoder-decoder, and the scheme's variant. */
export type BatchCase = Pick<GradientGraphOptions, 'length' | 'sourceLength' | 'variant'>;

/** Compiles a program when a batch of its length comes first, so that padded batches of a few lengths cost a few programs. */
export class GradientPrograms {
  readonly #engine: Engine;
  readonly #student: ModelDeclaration;
  readonly #objective: Objective;
  readonly #options: Pick<GradientGraphOptions, 'batch' | 'trained' | 'masked' | 'scheme'>;
  readonly #programs = new Map<string, Promise<Program>>();

  constructor(
    engine: Engine,
    student: ModelDeclaration,
    objective: Objective,
    options: Pick<GradientGraphOptions, 'batch' | 'trained' | 'masked' | 'scheme'>,
  ) {
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
    const key = `${batch.length} ${batch.sourceLength ?? ''} ${accumulates} ${batch.variant ?? ''}`;
    const known = this.#programs.get(key);
    if (known !== undefined) return known;
    const compiling = this.#engine.compile(this.graph(batch, accumulates).graph, {
      name: accumulates ? 'gradients-adding' : 'gradients',
    });
    this.#programs.set(key, compiling);
    compiling.catch(() => this.#programs.delete(key));
    return compiling;
  }

  async release(): Promise<void> {
    const compiled = await Promise.allSettled(this.#programs.values());
    this.#programs.clear();
    await Promise.all(compiled.map((each) => (each.status === 'fulfilled' ? each.value.release() : undefined)));
  }
}

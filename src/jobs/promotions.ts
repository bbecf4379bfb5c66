// Stable names: which version of which model is served under a name that clients keep, what it must hold to, and every change of it.
import { z } from 'zod';
import { AppError, type Clock, systemClock } from '#base';
import type { JobDatabase } from './database.ts';
import type { EvaluationReport } from './results.ts';

/** What a report must say. All are optional, none may be unknown. */
export const thresholdsSchema = z.strictObject({
  maxBitsPerByte: z.number().positive().optional(),
  /** Bits per byte above the teacher's, as a share of them. */
  maxLossIncrease: z.number().nonnegative().optional(),
  minTop1Agreement: z.number().min(0).max(1).optional(),
  maxTeacherKl: z.number().nonnegative().optional(),
  minAccuracy: z.number().min(0).max(1).optional(),
  maxStoredBytes: z.number().positive().optional(),
});

export type Thresholds = z.infer<typeof thresholdsSchema>;

/** One change of what a stable name stands for. */
export interface Promotion {
  readonly alias: string;
  /** 1, 2, 3, … within the name; the newest holds. */
  readonly sequence: number;
  /** `name@version` */
  readonly model: string;
  readonly hash: string;
  readonly thresholds: Thresholds;
  /** The measured figures that the thresholds were held against. */
  readonly figures: Readonly<Record<string, number>>;
  /** The earlier promotion that this one went back to; 0 for none. */
  readonly rollbackTo: number;
  /** Who did it; empty where nobody asks. */
  readonly principal: string;
  readonly timeMs: number;
}

interface PromotionRow {
  readonly alias: string;
  readonly sequence: number;
  readonly model: string;
  readonly hash: string;
  readonly thresholds: string;
  readonly figures: string;
  readonly rollback_to: number;
  readonly principal: string;
  readonly time_ms: number;
}

/** Append-only: what a name stood for is never lost. */
export class Promotions {
  readonly #database: JobDatabase;
  readonly #clock: Clock;

  constructor(database: JobDatabase, clock: Clock = systemClock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** What the name stands for now; undefined when it is no stable name. */
  current(alias: string): Promotion | undefined {
    return this.history(alias)[0];
  }

  /** Newest first. */
  history(alias: string): readonly Promotion[] {
    return this.#rows('SELECT * FROM promotions WHERE alias = ? ORDER BY sequence DESC', [alias]);
  }

  /** The newest of every name, by name. */
  all(): readonly Promotion[] {
    return this.#rows(
      'SELECT * FROM promotions AS p WHERE sequence = (SELECT max(sequence) FROM promotions WHERE alias = p.alias) ORDER BY alias',
      [],
    );
  }

  add(promotion: Omit<Promotion, 'sequence' | 'timeMs'>): Promotion {
    const { alias, model, hash, thresholds, figures, rollbackTo, principal } = promotion;
    const sequence = (this.current(alias)?.sequence ?? 0) + 1;
    const timeMs = this.#clock.nowMs();
    this.#database
      .prepare(
        'INSERT INTO promotions (alias, sequence, model, hash, thresholds, figures, rollback_to, principal, time_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      )
      .run(alias, sequence, model, hash, JSON.stringify(thresholds), JSON.stringify(figures), rollbackTo, principal, timeMs);
    return { ...promotion, sequence, timeMs };
  }

  #rows(sql: string, parameters: readonly string[]): readonly Promotion[] {
    const rows = this.#database.prepare(sql).all(...parameters) as PromotionRow[];
    return rows.map(({ rollback_to: rollbackTo, time_ms: timeMs, thresholds, figures, ...rest }) => ({
      ...rest,
      rollbackTo,
      timeMs,
      thresholds: JSON.parse(thresholds) as Thresholds,
      figures: JSON.parse(figures) as Record<string, number>,
    }));
  }
}

interface Rule {
  readonly threshold: keyof Thresholds;
  readonly figure: string;
  readonly measured: (report: EvaluationReport) => number | undefined;
  readonly holds: (measured: number, limit: number) => boolean;
  readonly wants: string;
}

const atMost = (measured: number, limit: number): boolean => measured <= limit;
const atLeast = (measured: number, limit: number): boolean => measured >= limit;

const rules: readonly Rule[] = [
  { threshold: 'maxBitsPerByte', figure: 'bitsPerByte', measured: ({ bitsPerByte }) => bitsPerByte, holds: atMost, wants: 'at most' },
  {
    threshold: 'maxLossIncrease',
    figure: 'lossIncrease',
    measured: ({ bitsPerByte, teacherBitsPerByte }) =>
      teacherBitsPerByte === undefined ? undefined : bitsPerByte / teacherBitsPerByte - 1,
    holds: atMost,
    wants: 'at most',
  },
  {
    threshold: 'minTop1Agreement',
    figure: 'top1Agreement',
    measured: ({ top1Agreement }) => top1Agreement,
    holds: atLeast,
    wants: 'at least',
  },
  { threshold: 'maxTeacherKl', figure: 'teacherKl', measured: ({ teacherKl }) => teacherKl, holds: atMost, wants: 'at most' },
  { threshold: 'minAccuracy', figure: 'accuracy', measured: ({ accuracy }) => accuracy, holds: atLeast, wants: 'at least' },
  { threshold: 'maxStoredBytes', figure: 'storedBytes', measured: ({ storedBytes }) => storedBytes, holds: atMost, wants: 'at most' },
];

/**
 * Holds a report against thresholds, and answers the figures that were looked at.
 *
 * @param model - named in the error
 * @throws AppError `not_promoted` with everything that is missing or out of bounds
 */
export function holdAgainst(model: string, report: EvaluationReport | undefined, thresholds: Thresholds): Record<string, number> {
  if (report === undefined)
    throw new AppError(
      'not_promoted',
      `${model}: has never been evaluated. Evaluate it on held-out text, against its teacher, then promote it.`,
      {
        details: { model },
      },
    );
  const figures: Record<string, number> = {};
  const problems: string[] = [];
  for (const { threshold, figure, measured, holds, wants } of rules) {
    const limit = thresholds[threshold];
    if (limit === undefined) continue;
    const value = measured(report);
    if (value === undefined || !Number.isFinite(value)) problems.push(`${figure} was not measured (evaluate it against its teacher)`);
    else {
      figures[figure] = value;
      if (!holds(value, limit)) problems.push(`${figure} is ${Number(value.toPrecision(5))}, wanted is ${wants} ${limit}`);
    }
  }
  if (problems.length > 0)
    throw new AppError('not_promoted', `${model}: ${problems.join('; ')}. The name keeps what it stood for.`, {
      details: { model, ...figures },
    });
  return figures;
}

// A job handler without models: counts steps as a test tells it to, resumes from its work folder, and can be made to fail.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, throwIfCancelled } from '#base';
import { type JobHandler, type RegisteredHandler, registerHandler } from '#jobs';

export interface CountSpec {
  readonly steps: number;
  readonly target: string;
  /** Waits for `advance` before each step. */
  readonly stepwise: boolean;
  readonly failAt: number;
}

/** Lets stepwise jobs take their next step. */
export class Gate {
  #open = 0;
  #waiting: (() => void)[] = [];

  advance(steps = 1): void {
    this.#open += steps;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async pass(signal: AbortSignal): Promise<void> {
    while (this.#open === 0) {
      throwIfCancelled(signal);
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    throwIfCancelled(signal);
    this.#open--;
  }
}

export interface CountOptions {
  readonly kind?: string;
  readonly canResume?: boolean;
  readonly usesDevice?: boolean;
  readonly gate?: Gate;
}

export function countHandler({ kind = 'count', canResume = false, usesDevice = true, gate }: CountOptions = {}): RegisteredHandler {
  const handler: JobHandler<CountSpec, { readonly counted: number; readonly firstStep: number }> = {
    kind,
    usesDevice,
    canResume,
    parse(input) {
      const given = input as Partial<CountSpec>;
      if (typeof given.steps !== 'number')
        throw new AppError('invalid_argument', 'steps: must be a number.', { details: { field: 'steps' } });
      return { steps: given.steps, target: given.target ?? '', stepwise: given.stepwise ?? false, failAt: given.failAt ?? 0 };
    },
    names: ({ target }) => ({ source: '', target }),
    paths: () => [],
    async run({ steps, stepwise, failAt }, { workFolder, signal, report }) {
      const file = join(workFolder, 'step');
      const firstStep = Number(await readFile(file, 'utf8').catch(() => '0'));
      for (let step = firstStep; step < steps; step++) {
        throwIfCancelled(signal);
        if (stepwise) await gate?.pass(signal);
        if (step + 1 === failAt) throw new AppError('bad_data', `row ${failAt}: cannot be counted.`, { details: { row: failAt } });
        await writeFile(file, String(step + 1));
        report({ phase: 'count', step: step + 1, total: steps, metrics: { loss: 1 / (step + 1) } });
      }
      return { counted: steps, firstStep };
    },
  };
  return registerHandler(handler);
}

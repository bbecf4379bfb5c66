// A job's events as a progress bar, and its result.
import { SingleBar } from 'cli-progress';
import { AppError, type ErrorCode, errorCatalogue } from '#base';
import type { JobEventMessage, JobProgressMessage, JobResultMessage } from '#server';
import { bytesText, type Output } from './output.ts';

export interface EndedJob {
  readonly jobId: string;
  readonly result: JobResultMessage;
}

/** Metrics worth a place beside the bar, best first, and how they are written. */
const shownMetrics: readonly (readonly [string, (value: number) => string])[] = [
  ['meanLoss', (value) => `loss ${value.toFixed(3)}`],
  ['loss', (value) => `loss ${value.toFixed(3)}`],
  ['bitsPerByte', (value) => `${value.toFixed(3)} bits/byte`],
  ['outputError', (value) => `output error ${value.toFixed(3)}`],
  ['relativeError', (value) => `error ${value.toFixed(3)}`],
  ['weightError', (value) => `weight error ${value.toFixed(3)}`],
  ['storedBytes', (value) => `${bytesText(value)} stored`],
  ['onFront', (value) => (value === 1 ? 'on the front' : 'beaten')],
  ['bytesSaved', (value) => `${bytesText(value)} saved`],
  ['tokensPerSecond', (value) => `${Math.round(value)} tokens/s`],
  ['residentBytes', (value) => `${bytesText(value)} memory`],
];

/** More would not fit beside the bar. */
const mostFigures = 4;

/** Without a terminal, progress is one line this often. */
const lineEveryMs = 5000;

/** Draws on a terminal, writes lines elsewhere; quiet with `--json` where nobody looks. */
class ProgressView {
  readonly #output: Output;
  readonly #isTerminal = process.stderr.isTTY === true;
  #bar: SingleBar | undefined;
  #phase = '';
  #lastLineMs = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  show({ phase, step, total, etaMs, item, metrics }: JobProgressMessage): void {
    const figures = figuresOf(metrics, item);
    const eta = etaMs === undefined ? '' : `${Math.ceil(etaMs / 1000)} s left`;
    if (!this.#isTerminal) {
      const nowMs = performance.now();
      const isTrial = 'onFront' in metrics;
      if (this.#output.json || (nowMs - this.#lastLineMs < lineEveryMs && phase === this.#phase && !isTrial)) return;
      this.#lastLineMs = nowMs;
      this.#phase = phase;
      this.#output.note([phase, total > 0 ? `${step}/${total}` : '', eta, figures].filter((part) => part !== '').join('  '));
      return;
    }
    if (phase !== this.#phase) {
      // Phases count from 0 or from 1; one that another follows is complete.
      this.#bar?.update(this.#bar.getTotal());
      this.end();
      this.#phase = phase;
      this.#bar = new SingleBar({
        format: total > 0 ? '{phase} [{bar}] {value}/{total}  {left}  {figures}' : '{phase}  {figures}',
        barsize: 28,
        hideCursor: true,
        clearOnComplete: false,
        stream: process.stderr,
      });
      this.#bar.start(total > 0 ? total : 1, step, { phase: phase.padEnd(10), left: eta, figures });
      return;
    }
    this.#bar?.update(step, { left: eta, figures });
  }

  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

function figuresOf(metrics: Readonly<Record<string, number | string>>, item: string): string {
  const figures = shownMetrics.flatMap(([name, text]) => {
    const value = metrics[name];
    return typeof value === 'number' && !(name === 'loss' && 'meanLoss' in metrics) ? [text(value)] : [];
  });
  return [...figures.slice(0, mostFigures), ...(item === '' ? [] : [item])].join('  ');
}

/**
 * Follows a job to its end.
 *
 * @throws AppError with the job's own error; what a lost stream throws names the job, so that it can be watched again
 */
export async function followJob(events: AsyncIterable<{ readonly event: JobEventMessage | null }>, output: Output): Promise<EndedJob> {
  const view = new ProgressView(output);
  let jobId = '';
  let result: JobResultMessage | undefined;
  let failure: AppError | undefined;
  try {
    for await (const { event } of events) {
      if (event === null) continue;
      if (jobId === '' && !output.json) output.note(`job ${event.jobId}`);
      jobId = event.jobId;
      if (event.progress) view.show(event.progress);
      if (event.result) result = event.result;
      if (event.error) failure = jobError(event.error.code, event.error.message, event.error.details);
    }
  } catch (error) {
    throw jobId === '' ? error : lostStream(jobId, AppError.from(error));
  } finally {
    view.end();
  }
  if (failure !== undefined) throw failure;
  if (result === undefined)
    throw new AppError('unavailable', `job ${jobId}: the stream ended before the job. Watch it again: athanor watch ${jobId}`);
  return { jobId, result };
}

/** The connection is gone, not the job: says how to find it again. */
function lostStream(jobId: string, error: AppError): AppError {
  if (error.code !== 'unavailable' || error.message.includes(jobId)) return error;
  const words = error.message.replace(`[${error.code}] `, '');
  return new AppError('unavailable', `job ${jobId}: ${words} Watch it again when the server is back: athanor watch ${jobId}`, {
    cause: error,
  });
}

function jobError(code: string, message: string, details: Readonly<Record<string, string>>): AppError {
  const known = Object.hasOwn(errorCatalogue, code) ? (code as ErrorCode) : 'internal';
  const prefix = `[${code}] `;
  return new AppError(known, message.startsWith(prefix) ? message.slice(prefix.length) : message, { details });
}

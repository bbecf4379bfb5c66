// Traces and metrics of jobs: a span a job, one in it for each phase, and how far the running ones are.
import { attributes, metrics, type Progress, type Reading, type Span, spanNames, type Telemetry } from '#base';
import type { JobRecord, JobState } from './job.ts';

/** Jobs that have not ended are in one of these. */
const openStates = ['QUEUED', 'RUNNING', 'PAUSED', 'CANCELLING'] as const satisfies readonly JobState[];

/** How an attempt at a job ends; `QUEUED` and `PAUSED` are ones that a later attempt goes on with. */
export type AttemptEnd = {
  readonly state: Extract<JobState, 'SUCCEEDED' | 'FAILED' | 'CANCELLED' | 'QUEUED' | 'PAUSED'>;
  readonly errorCode?: string;
};

interface KindReading {
  readonly jobId: string;
  readonly progress: number | undefined;
  readonly loss: number | undefined;
}

export class JobTelemetry {
  readonly #telemetry: Telemetry;
  readonly #duration: (seconds: number, labels: Readonly<Record<string, string>>) => void;
  /** Spans of the calls that submitted jobs which have not started. */
  readonly #callers = new Map<string, Span>();
  /** By kind: labels hold no job ids. */
  readonly #newest = new Map<string, KindReading>();
  readonly #stopReading: readonly (() => void)[];

  /** @param countInState - jobs of a state, for whoever asks for metrics */
  constructor(telemetry: Telemetry, countInState: (state: JobState) => number) {
    const { meter } = telemetry;
    this.#telemetry = telemetry;
    this.#duration = meter.histogram(metrics.jobDuration);
    const readings = (value: (reading: KindReading) => number | undefined): Reading[] =>
      [...this.#newest].flatMap(([kind, reading]) => {
        const found = value(reading);
        return found === undefined ? [] : [{ value: found, labels: { [attributes.jobKind]: kind } }];
      });
    this.#stopReading = [
      meter.gauge(metrics.jobs, () =>
        openStates.map((state) => ({ value: countInState(state), labels: { [attributes.jobState]: state } })),
      ),
      meter.gauge(metrics.jobProgress, () => readings(({ progress }) => progress)),
      meter.gauge(metrics.jobLoss, () => readings(({ loss }) => loss)),
    ];
  }

  /** The job belongs to the call that is under way. */
  submitted(jobId: string): void {
    const span = this.#telemetry.tracer.current();
    if (span !== undefined) this.#callers.set(jobId, span);
  }

  /** The job ended before it began. */
  dropped(jobId: string): void {
    this.#callers.delete(jobId);
  }

  begin({ id, kind, attempts, source, target }: JobRecord): ObservedJob {
    const { tracer } = this.#telemetry;
    const startedMs = performance.now();
    const span = tracer.start(`${spanNames.job} ${kind}`, {
      parent: this.#callers.get(id),
      attributes: {
        [attributes.jobId]: id,
        [attributes.jobKind]: kind,
        [attributes.jobAttempt]: attempts,
        [attributes.model]: source === '' ? target : source,
      },
    });
    this.#callers.delete(id);
    const onProgress = ({ step, total, metrics: measured }: Progress): void => {
      const before = this.#newest.get(kind);
      const known = total !== undefined && total > 0 && step !== undefined;
      this.#newest.set(kind, {
        jobId: id,
        progress: known ? step / total : undefined,
        loss: measured?.['loss'] ?? (before?.jobId === id ? before.loss : undefined),
      });
    };
    const onEnd = ({ state }: AttemptEnd): void => {
      this.#duration((performance.now() - startedMs) / 1000, { [attributes.jobKind]: kind, [attributes.jobState]: state });
      if (this.#newest.get(kind)?.jobId === id) this.#newest.delete(kind);
    };
    return new ObservedJob(this.#telemetry, span, onProgress, onEnd);
  }

  /** Nobody reads the gauges any more. */
  close(): void {
    for (const stop of this.#stopReading) stop();
    this.#callers.clear();
  }
}

/** One attempt at a job. */
export class ObservedJob {
  readonly #telemetry: Telemetry;
  readonly #span: Span;
  readonly #onProgress: (progress: Progress) => void;
  readonly #onEnd: (end: AttemptEnd) => void;
  #phase: { readonly name: string; readonly span: Span; steps: number } | undefined;

  constructor(telemetry: Telemetry, span: Span, onProgress: (progress: Progress) => void, onEnd: (end: AttemptEnd) => void) {
    this.#telemetry = telemetry;
    this.#span = span;
    this.#onProgress = onProgress;
    this.#onEnd = onEnd;
  }

  within<Result>(work: () => Result): Result {
    return this.#telemetry.tracer.within(this.#span, work);
  }

  /** A span of a phase lasts until another phase reports. */
  report(progress: Progress): void {
    const { phase, step = 0 } = progress;
    if (this.#phase?.name !== phase) {
      this.#endPhase();
      const attributesOfPhase = { [attributes.jobPhase]: phase };
      const span = this.#telemetry.tracer.start(`${spanNames.step} ${phase}`, { parent: this.#span, attributes: attributesOfPhase });
      this.#phase = { name: phase, span, steps: step };
    }
    if (this.#phase !== undefined) this.#phase.steps = step;
    this.#onProgress(progress);
  }

  end(end: AttemptEnd): void {
    const { state, errorCode } = end;
    this.#endPhase();
    this.#span.set({ [attributes.jobState]: state });
    this.#span.end(state === 'FAILED' ? { type: errorCode ?? 'internal' } : undefined);
    this.#onEnd(end);
  }

  #endPhase(): void {
    this.#phase?.span.set({ [attributes.jobSteps]: this.#phase.steps });
    this.#phase?.span.end();
    this.#phase = undefined;
  }
}

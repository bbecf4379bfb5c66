// Jobs and their logs on disk: every change is one transaction that is synced before anybody hears of it.
import { AppError, at, type Clock, invariant, systemClock } from '#base';
import { closeDatabase, diskError, type JobDatabase, openDatabase } from './database.ts';
import { canMove, isFinal, type JobEvent, type JobEventBody, type JobFailure, type JobRecord, type JobState } from './job.ts';
import { ModelLedger } from './model-ledger.ts';

interface JobRow {
  readonly id: string;
  readonly kind: string;
  readonly state: JobState;
  readonly spec: string;
  readonly source: string;
  readonly target: string;
  readonly created_ms: number;
  readonly started_ms: number;
  readonly finished_ms: number;
  readonly last_sequence: number;
  readonly attempts: number;
  readonly result: string | null;
  readonly error: string | null;
}

interface EventRow {
  readonly job_id: string;
  readonly sequence: number;
  readonly time_ms: number;
  readonly body: string;
}

export interface NewJob {
  readonly id: string;
  readonly kind: string;
  readonly spec: unknown;
  readonly source: string;
  readonly target: string;
}

export interface EventPage {
  /** First sequence number wanted. */
  readonly from: number;
  readonly limit: number;
  /** Leaves out progress below this sequence number; 0 leaves out nothing. */
  readonly progressFrom: number;
}

/** The end of a job: its result or its error, together with the final state. */
export type JobEnd =
  | { readonly state: 'SUCCEEDED'; readonly result: unknown }
  | { readonly state: 'FAILED' | 'CANCELLED'; readonly error: JobFailure };

/** Durable jobs with an append-only log each. One process at a time. */
export class JobStore {
  /** What is known of model versions. */
  readonly models: ModelLedger;
  readonly #database: JobDatabase;
  readonly #clock: Clock;

  private constructor(database: JobDatabase, clock: Clock) {
    this.models = new ModelLedger(database);
    this.#database = database;
    this.#clock = clock;
  }

  /** @throws AppError `store_in_use` | `bad_artefact` */
  static open(path: string, clock: Clock = systemClock): JobStore {
    return new JobStore(openDatabase(path), clock);
  }

  /**
   * Adds a job as QUEUED.
   *
   * @throws AppError `name_taken` when another unfinished job writes the same name
   */
  create(job: NewJob): JobRecord {
    const nowMs = this.#clock.nowMs();
    return this.#transaction(() => {
      const [writer] = this.#rows(`SELECT * FROM jobs WHERE target = ? AND target <> '' AND state IN ('QUEUED', 'RUNNING', 'CANCELLING')`, [
        job.target,
      ]);
      if (writer !== undefined)
        throw new AppError(
          'name_taken',
          `name "${job.target}": ${writer.kind} job ${writer.id} is writing it. Wait for that job or choose another name.`,
          {
            details: { name: job.target, jobId: writer.id },
          },
        );
      this.#database
        .prepare('INSERT INTO jobs (id, kind, state, spec, source, target, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?)')
        .run(job.id, job.kind, 'QUEUED', JSON.stringify(job.spec), job.source, job.target, nowMs);
      this.#append(job.id, [{ kind: 'state', state: 'QUEUED' }]);
      return this.get(job.id);
    });
  }

  /** @throws AppError `job_not_found` */
  get(id: string): JobRecord {
    const [row] = this.#rows('SELECT * FROM jobs WHERE id = ?', [id]);
    if (row === undefined)
      throw new AppError('job_not_found', `job "${id}" does not exist. List the jobs to see their ids.`, { details: { jobId: id } });
    return record(row);
  }

  /** Newest first. */
  list(states: readonly JobState[], limit: number): readonly JobRecord[] {
    const marks = states.map(() => '?').join(', ');
    const where = states.length === 0 ? '' : `WHERE state IN (${marks})`;
    return this.#rows(`SELECT * FROM jobs ${where} ORDER BY created_ms DESC, rowid DESC LIMIT ?`, [...states, limit]).map(record);
  }

  /** Jobs in one state, oldest first. */
  inState(state: JobState): readonly JobRecord[] {
    return this.#rows('SELECT * FROM jobs WHERE state = ? ORDER BY created_ms, rowid', [state]).map(record);
  }

  /** Moves a job that has not ended; `RUNNING` counts an attempt. */
  move(id: string, state: Exclude<JobState, JobEnd['state']>): JobRecord {
    return this.#transaction(() => {
      this.#checkMove(id, state);
      if (state === 'RUNNING')
        this.#database.prepare('UPDATE jobs SET attempts = attempts + 1, started_ms = ? WHERE id = ?').run(this.#clock.nowMs(), id);
      this.#setState(id, state);
      return this.get(id);
    });
  }

  /** Ends a job: progress not yet stored, then the result or error, then the final state, all in one transaction. */
  finish(id: string, end: JobEnd, lastProgress: readonly JobEventBody[]): JobRecord {
    return this.#transaction(() => {
      this.#checkMove(id, end.state);
      const outcome: JobEventBody =
        end.state === 'SUCCEEDED' ? { kind: 'result', result: end.result } : { kind: 'error', error: end.error };
      this.#append(id, [...lastProgress, outcome]);
      const column = end.state === 'SUCCEEDED' ? 'result' : 'error';
      const value = end.state === 'SUCCEEDED' ? end.result : end.error;
      this.#database
        .prepare(`UPDATE jobs SET finished_ms = ?, ${column} = ? WHERE id = ?`)
        .run(this.#clock.nowMs(), JSON.stringify(value ?? null), id);
      this.#setState(id, end.state);
      return this.get(id);
    });
  }

  /** Adds events to the log of a job. */
  append(id: string, bodies: readonly JobEventBody[]): void {
    if (bodies.length === 0) return;
    this.#transaction(() => this.#append(id, bodies));
  }

  /** Events in order of sequence. */
  events(id: string, { from, limit, progressFrom }: EventPage): readonly JobEvent[] {
    const rows = this.#database
      .prepare(
        `SELECT * FROM events WHERE job_id = ? AND sequence >= ? AND (kind <> 'progress' OR sequence >= ?) ORDER BY sequence LIMIT ?`,
      )
      .all(id, from, progressFrom, limit) as EventRow[];
    return rows.map(event);
  }

  /** The newest progress of a job, if it has reported any. */
  newestProgress(id: string): JobEvent | undefined {
    const row = this.#database
      .prepare(`SELECT * FROM events WHERE job_id = ? AND kind = 'progress' ORDER BY sequence DESC LIMIT 1`)
      .get(id) as EventRow | undefined;
    return row === undefined ? undefined : event(row);
  }

  /** Lets the file go for another process. */
  close(): void {
    if (this.#database.open) closeDatabase(this.#database);
  }

  #rows(sql: string, parameters: readonly (string | number)[]): readonly JobRow[] {
    return this.#database.prepare(sql).all(...parameters) as JobRow[];
  }

  #checkMove(id: string, state: JobState): void {
    const current = this.get(id).state;
    invariant(canMove(current, state), `job ${id} may not go from ${current} to ${state}`);
  }

  #setState(id: string, state: JobState): void {
    this.#database.prepare('UPDATE jobs SET state = ? WHERE id = ?').run(state, id);
    this.#append(id, [{ kind: 'state', state }]);
  }

  #append(id: string, bodies: readonly JobEventBody[]): void {
    const job = this.get(id);
    invariant(!isFinal(job.state) || bodies.every(({ kind }) => kind === 'state'), `job ${id} has ended and says no more`);
    const insert = this.#database.prepare('INSERT INTO events (job_id, sequence, time_ms, kind, body) VALUES (?, ?, ?, ?, ?)');
    const nowMs = this.#clock.nowMs();
    for (let index = 0; index < bodies.length; index++) {
      const body = at(bodies, index);
      insert.run(id, job.lastSequence + 1 + index, nowMs, body.kind, JSON.stringify(body));
    }
    this.#database.prepare('UPDATE jobs SET last_sequence = ? WHERE id = ?').run(job.lastSequence + bodies.length, id);
  }

  #transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const value = work();
      this.#database.exec('COMMIT');
      return value;
    } catch (error) {
      // Where the disk was full, SQLite has rolled back by itself.
      if (this.#database.inTransaction) this.#database.exec('ROLLBACK');
      throw diskError(error);
    }
  }
}

function record(row: JobRow): JobRecord {
  const { id, kind, state, source, target, attempts } = row;
  const [result, error] = [row.result, row.error].map((text): unknown => (text === null ? undefined : JSON.parse(text)));
  return {
    id,
    kind,
    state,
    source,
    target,
    attempts,
    spec: JSON.parse(row.spec),
    createdMs: row.created_ms,
    startedMs: row.started_ms,
    finishedMs: row.finished_ms,
    lastSequence: row.last_sequence,
    ...(result === undefined ? {} : { result }),
    ...(error === undefined ? {} : { error: error as JobFailure }),
  };
}

function event(row: EventRow): JobEvent {
  return { ...(JSON.parse(row.body) as JobEventBody), jobId: row.job_id, sequence: row.sequence, timeMs: row.time_ms };
}

// Jobs and their logs on disk: every change is one transaction that is synced before anybody hears of it.
import { AppError, at, type Clock, invariant, systemClock } from '#base';
import { closeDatabase, diskError, type JobDatabase, openDatabase } from './database.ts';
import { canMove, isFinal, type JobEvent, type JobEventBody, type JobFailure, type JobRecord, type JobState } from './job.ts';
import { ModelLedger } from './model-ledger.ts';
import { Promotions } from './promotions.ts';

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
  readonly priority: number;
  readonly owner: string;
  readonly retry_of: string;
  readonly is_pausing: number;
  readonly crashes: number;
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
  readonly priority?: number;
  readonly owner?: string;
  readonly retryOf?: string;
}

/** How many unfinished jobs there may be. */
export interface JobQuota {
  readonly inAll?: number;
  readonly perOwner?: number;
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

/** Of jobs that have not ended. */
const isOpen = `state IN ('QUEUED', 'RUNNING', 'PAUSED', 'CANCELLING')`;

/** Durable jobs with an append-only log each. One process at a time. */
export class JobStore {
  /** What is known of model versions. */
  readonly models: ModelLedger;
  /** Stable names. */
  readonly promotions: Promotions;
  readonly #database: JobDatabase;
  readonly #clock: Clock;

  private constructor(database: JobDatabase, clock: Clock) {
    this.models = new ModelLedger(database);
    this.promotions = new Promotions(database, clock);
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
   * @throws AppError `name_taken` when another unfinished job writes the same name; `too_many_jobs`
   */
  create(job: NewJob, quota: JobQuota = {}): JobRecord {
    const nowMs = this.#clock.nowMs();
    const { priority = 0, owner = '', retryOf = '' } = job;
    return this.#transaction(() => {
      const [writer] = this.#rows(`SELECT * FROM jobs WHERE target = ? AND target <> '' AND ${isOpen}`, [job.target]);
      if (writer !== undefined)
        throw new AppError(
          'name_taken',
          `name "${job.target}": ${writer.kind} job ${writer.id} is writing it. Wait for that job or choose another name.`,
          { details: { name: job.target, jobId: writer.id } },
        );
      this.#checkQuota(owner, quota);
      this.#database
        .prepare(
          'INSERT INTO jobs (id, kind, state, spec, source, target, created_ms, priority, owner, retry_of) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        )
        .run(job.id, job.kind, 'QUEUED', JSON.stringify(job.spec), job.source, job.target, nowMs, priority, owner, retryOf);
      this.#append(job.id, [{ kind: 'state', state: 'QUEUED' }]);
      return this.get(job.id);
    });
  }

  #checkQuota(owner: string, { inAll, perOwner }: JobQuota): void {
    const open = this.#rows(`SELECT * FROM jobs WHERE ${isOpen}`, []);
    const own = open.filter((job) => job.owner === owner).length;
    if (inAll !== undefined && open.length >= inAll)
      throw new AppError('too_many_jobs', `${open.length} jobs have not ended, as many as this server takes. Wait for some to end.`, {
        details: { limit: inAll },
      });
    if (perOwner !== undefined && own >= perOwner)
      throw new AppError(
        'too_many_jobs',
        `${owner === '' ? 'you have' : `"${owner}" has`} ${own} jobs that have not ended, as many as one client may. Wait for some to end, or cancel some.`,
        { details: { limit: perOwner, owner } },
      );
  }

  /** @throws AppError `job_not_found` */
  get(id: string): JobRecord {
    const [row] = this.#rows('SELECT * FROM jobs WHERE id = ?', [id]);
    if (row === undefined)
      throw new AppError('job_not_found', `job "${id}" does not exist. List the jobs to see their ids.`, { details: { jobId: id } });
    return record(row);
  }

  /** Of all jobs. */
  ids(): readonly string[] {
    return (this.#database.prepare('SELECT id FROM jobs').all() as { readonly id: string }[]).map(({ id }) => id);
  }

  /** Newest first. */
  list(states: readonly JobState[], limit: number): readonly JobRecord[] {
    const marks = states.map(() => '?').join(', ');
    const where = states.length === 0 ? '' : `WHERE state IN (${marks})`;
    return this.#rows(`SELECT * FROM jobs ${where} ORDER BY rowid DESC LIMIT ?`, [...states, limit]).map(record);
  }

  /** Jobs in one state, those of the highest priority first, of these the oldest. The order of arrival does not hang on the clock. */
  inState(state: JobState): readonly JobRecord[] {
    return this.#rows('SELECT * FROM jobs WHERE state = ? ORDER BY priority DESC, rowid', [state]).map(record);
  }

  /** Notes that a running job is asked to pause, or not any more. */
  setPausing(id: string, isPausing: boolean): JobRecord {
    this.#transaction(() => this.#database.prepare('UPDATE jobs SET is_pausing = ? WHERE id = ?').run(isPausing ? 1 : 0, id));
    return this.get(id);
  }

  /** Counts a death of a running job's process, and answers how many there were since a person let it run. */
  countCrash(id: string): number {
    this.#transaction(() => this.#database.prepare('UPDATE jobs SET crashes = crashes + 1 WHERE id = ?').run(id));
    return this.get(id).crashes;
  }

  /** Puts a job aside until somebody looks at it. */
  park(id: string, error: JobFailure): JobRecord {
    return this.#transaction(() => {
      this.#checkMove(id, 'PAUSED');
      this.#database.prepare('UPDATE jobs SET error = ?, is_pausing = 0 WHERE id = ?').run(JSON.stringify(error), id);
      this.#setState(id, 'PAUSED');
      return this.get(id);
    });
  }

  /** Puts a paused job back into the queue; what it was parked for is forgotten. */
  unpause(id: string): JobRecord {
    return this.#transaction(() => {
      this.#checkMove(id, 'QUEUED');
      this.#database.prepare('UPDATE jobs SET error = NULL, crashes = 0 WHERE id = ?').run(id);
      this.#setState(id, 'QUEUED');
      return this.get(id);
    });
  }

  /** Removes jobs that have ended, with their logs. */
  remove(ids: readonly string[]): void {
    this.#transaction(() => {
      for (const id of ids) {
        const { state } = this.get(id);
        invariant(isFinal(state), `job ${id} is ${state} and stays`);
        this.#database.prepare('DELETE FROM events WHERE job_id = ?').run(id);
        this.#database.prepare('DELETE FROM jobs WHERE id = ?').run(id);
      }
    });
  }

  /** Jobs that ended before a time, or are older than the newest `keep` ended ones. */
  expired({ endedBeforeMs, keep }: { readonly endedBeforeMs: number; readonly keep: number }): readonly string[] {
    const ended = this.#rows(`SELECT * FROM jobs WHERE NOT ${isOpen} ORDER BY rowid DESC`, []);
    return ended.filter(({ finished_ms }, index) => index >= keep || finished_ms < endedBeforeMs).map(({ id }) => id);
  }

  /** Moves a job that has not ended; `RUNNING` counts an attempt. */
  move(id: string, state: Exclude<JobState, JobEnd['state']>): JobRecord {
    return this.#transaction(() => {
      this.#checkMove(id, state);
      if (state === 'RUNNING')
        this.#database.prepare('UPDATE jobs SET attempts = attempts + 1, started_ms = ? WHERE id = ?').run(this.#clock.nowMs(), id);
      this.#database.prepare('UPDATE jobs SET is_pausing = 0 WHERE id = ?').run(id);
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
  const { id, kind, state, source, target, attempts, priority, owner, crashes } = row;
  const [result, error] = [row.result, row.error].map((text): unknown => (text === null ? undefined : JSON.parse(text)));
  return {
    id,
    kind,
    state,
    source,
    target,
    attempts,
    priority,
    owner,
    crashes,
    retryOf: row.retry_of,
    isPausing: row.is_pausing !== 0,
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

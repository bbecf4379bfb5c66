// What is known of model versions beside their files: counts, the job that made them, and their newest evaluation.
import { diskError, isDiskFull, type JobDatabase } from './database.ts';
import type { EvaluationReport, ModelFacts } from './results.ts';

interface ModelRow {
  readonly facts: string | null;
  readonly job_id: string;
  readonly evaluation: string | null;
}

export interface LedgerEntry {
  readonly facts?: ModelFacts;
  /** Empty when no job made it. */
  readonly jobId: string;
  readonly evaluation?: EvaluationReport;
}

/** The ledger as a hub needs it: in the process that has the database, or a question to that process. */
export interface ModelNotes {
  entry(hash: string): LedgerEntry | Promise<LedgerEntry>;
  saveFacts(hash: string, facts: ModelFacts): void | Promise<void>;
  saveJob(hash: string, jobId: string): void | Promise<void>;
}

const emptyRow: ModelRow = { facts: null, job_id: '', evaluation: null };

/** Rows by content hash. Artefacts never change; an evaluation that comes later is kept here. */
export class ModelLedger implements ModelNotes {
  readonly #database: JobDatabase;
  /** What a full disk kept from being stored. It lasts as long as the process: a model that is saved does not fail for its figures. */
  readonly #unstored = new Map<string, Partial<ModelRow>>();

  constructor(database: JobDatabase) {
    this.#database = database;
  }

  entry(hash: string): LedgerEntry {
    const stored = this.#database.prepare('SELECT facts, job_id, evaluation FROM models WHERE hash = ?').get(hash) as ModelRow | undefined;
    const row = { ...emptyRow, ...stored, ...this.#unstored.get(hash) };
    return {
      jobId: row.job_id,
      ...(row.facts === null ? {} : { facts: JSON.parse(row.facts) as ModelFacts }),
      ...(row.evaluation === null ? {} : { evaluation: JSON.parse(row.evaluation) as EvaluationReport }),
    };
  }

  saveFacts(hash: string, facts: ModelFacts): void {
    this.#set(hash, 'facts', JSON.stringify(facts));
  }

  /** The first job that made a content keeps it. */
  saveJob(hash: string, jobId: string): void {
    if (this.entry(hash).jobId === '') this.#set(hash, 'job_id', jobId);
  }

  saveEvaluation(hash: string, report: EvaluationReport): void {
    this.#set(hash, 'evaluation', JSON.stringify(report));
  }

  #set(hash: string, column: 'facts' | 'job_id' | 'evaluation', value: string): void {
    try {
      this.#database
        .prepare(`INSERT INTO models (hash, ${column}) VALUES (?, ?) ON CONFLICT (hash) DO UPDATE SET ${column} = excluded.${column}`)
        .run(hash, value);
    } catch (error) {
      const failure = diskError(error);
      if (!isDiskFull(failure)) throw failure;
      this.#unstored.set(hash, { ...this.#unstored.get(hash), [column]: value });
    }
  }
}

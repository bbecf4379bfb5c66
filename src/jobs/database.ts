// The database file of a store: opened durably, by one process at a time, and brought to the newest layout.
import Database from 'libsql';
import { AppError } from '#base';

export type JobDatabase = Database.Database;

/** Layouts in order; a file remembers in `user_version` how many it has. */
const migrations: readonly string[] = [
  `CREATE TABLE jobs (
     id TEXT PRIMARY KEY,
     kind TEXT NOT NULL,
     state TEXT NOT NULL,
     spec TEXT NOT NULL,
     source TEXT NOT NULL,
     target TEXT NOT NULL,
     created_ms INTEGER NOT NULL,
     started_ms INTEGER NOT NULL DEFAULT 0,
     finished_ms INTEGER NOT NULL DEFAULT 0,
     last_sequence INTEGER NOT NULL DEFAULT 0,
     attempts INTEGER NOT NULL DEFAULT 0,
     result TEXT,
     error TEXT
   ) STRICT;
   CREATE INDEX jobs_by_state ON jobs (state, created_ms);
   -- Invariant: at most one unfinished job writes a name.
   CREATE UNIQUE INDEX one_writer ON jobs (target) WHERE target <> '' AND state IN ('QUEUED', 'RUNNING', 'CANCELLING');
   CREATE TABLE events (
     job_id TEXT NOT NULL REFERENCES jobs (id),
     sequence INTEGER NOT NULL,
     time_ms INTEGER NOT NULL,
     kind TEXT NOT NULL,
     body TEXT NOT NULL,
     PRIMARY KEY (job_id, sequence)
   ) STRICT, WITHOUT ROWID;
   -- What is known of model versions, by content hash: facts can be made anew from the model, the rest cannot.
   CREATE TABLE models (
     hash TEXT PRIMARY KEY,
     facts TEXT,
     job_id TEXT NOT NULL DEFAULT '',
     evaluation TEXT
   ) STRICT;`,
  `ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT '';
   ALTER TABLE jobs ADD COLUMN retry_of TEXT NOT NULL DEFAULT '';
   ALTER TABLE jobs ADD COLUMN is_pausing INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE jobs ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;
   DROP INDEX one_writer;
   CREATE UNIQUE INDEX one_writer ON jobs (target) WHERE target <> '' AND state IN ('QUEUED', 'RUNNING', 'PAUSED', 'CANCELLING');
   DROP INDEX jobs_by_state;
   CREATE INDEX jobs_by_state ON jobs (state, priority DESC);`,
  `CREATE TABLE promotions (
     alias TEXT NOT NULL,
     sequence INTEGER NOT NULL,
     model TEXT NOT NULL,
     hash TEXT NOT NULL,
     thresholds TEXT NOT NULL,
     figures TEXT NOT NULL,
     rollback_to INTEGER NOT NULL,
     principal TEXT NOT NULL,
     time_ms INTEGER NOT NULL,
     PRIMARY KEY (alias, sequence)
   ) STRICT, WITHOUT ROWID;`,
];

/**
 * Opens or makes the database.
 *
 * The lock is held until `close`, so that no second process takes the running jobs for orphans; it goes with the process.
 *
 * @throws AppError `store_in_use` when another process has it, `bad_artefact` when the file is no database of ours
 */
export function openDatabase(path: string): JobDatabase {
  let database: JobDatabase | undefined;
  try {
    database = new Database(path, { timeout: 500 });
    database.pragma('locking_mode = EXCLUSIVE');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    migrate(database);
    return database;
  } catch (error) {
    database?.close();
    throw openError(path, error);
  }
}

/** Lets the file go at once: closing alone waits until every statement is collected, and an exclusive WAL keeps its lock. */
export function closeDatabase(database: JobDatabase): void {
  try {
    database.pragma('journal_mode = DELETE');
    database.pragma('locking_mode = NORMAL');
    database.prepare('SELECT count(*) FROM jobs').get();
  } catch (error) {
    // On a full disk the log stays beside the file, and the next process reads it.
    if (!isDiskFull(diskError(error))) throw error;
  } finally {
    database.close();
  }
}

function migrate(database: JobDatabase): void {
  const [row] = database.prepare('PRAGMA user_version').all() as { user_version: number }[];
  const version = row?.user_version ?? 0;
  if (version > migrations.length)
    throw new AppError(
      'wrong_state',
      `job database: its layout ${version} is newer than ${migrations.length}, which this program knows. Update athanor.`,
    );
  database.exec('BEGIN IMMEDIATE');
  for (const [index, statements] of migrations.entries()) if (index >= version) database.exec(statements);
  database.exec(`PRAGMA user_version = ${migrations.length}; COMMIT`);
}

/** What SQLite throws, with a full or failing disk under its own code. */
export function diskError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof AppError || !/disk is full|disk I\/O/i.test(error.message)) return error;
  return new AppError('disk_full', `job database: ${error.message}. Free space in the store.`, { cause: error });
}

export function isDiskFull(error: unknown): boolean {
  return error instanceof AppError && error.code === 'disk_full';
}

function openError(path: string, thrown: unknown): AppError {
  const error = diskError(thrown);
  if (error instanceof AppError) return error;
  const words = error instanceof Error ? error.message : String(error);
  if (/locked|busy/i.test(words))
    return new AppError('store_in_use', `job database ${path}: another process works with this store. Stop it, or choose another store.`, {
      cause: error,
    });
  if (/not a database|malformed|corrupt/i.test(words))
    return new AppError('bad_artefact', `job database ${path}: not a database (${words}). Move the file away to start with an empty one.`, {
      cause: error,
    });
  return AppError.from(error);
}

// What the study has measured so far, one line a measurement, so that a run that was stopped goes on.
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** One model that was made and measured. */
export interface StudyRecord {
  readonly key: string;
  readonly series: string;
  readonly family: string;
  readonly size: string;
  /** Of the whole model, every tensor once. */
  readonly storedBytes: number;
  /** Distillation steps after the compression. */
  readonly steps: number;
  /** 0 where nothing is random. */
  readonly seed: number;
  /** Bits per byte, or errors in per cent: less is better. */
  readonly score: number;
  /** Why there is no score. */
  readonly failure?: string;
}

/** An append-only file of records. */
export class Records<Each extends StudyRecord = StudyRecord> {
  readonly #path: string;
  readonly #records: Each[];

  constructor(path: string) {
    this.#path = path;
    mkdirSync(dirname(path), { recursive: true });
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
    this.#records = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Each);
  }

  get all(): readonly Each[] {
    return this.#records;
  }

  find(key: string, steps: number, seed: number): Each | undefined {
    return this.#records.find((record) => record.key === key && record.steps === steps && record.seed === seed);
  }

  add(record: Each): void {
    this.#records.push(record);
    appendFileSync(this.#path, `${JSON.stringify(record)}\n`);
  }
}

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

/** An append-only file of records, which several processes may write: it is read again at each question. */
export class Records<Each extends StudyRecord = StudyRecord> {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    mkdirSync(dirname(path), { recursive: true });
  }

  /** One of each kind: processes that meet at one cell both make it. */
  get all(): readonly Each[] {
    const lines = existsSync(this.#path) ? readFileSync(this.#path, 'utf8').split('\n') : [];
    const read = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Each);
    return [...new Map(read.map((record) => [`${record.key} ${record.steps} ${record.seed}`, record])).values()];
  }

  find(key: string, steps: number, seed: number): Each | undefined {
    return this.all.find((record) => record.key === key && record.steps === steps && record.seed === seed);
  }

  add(record: Each): void {
    appendFileSync(this.#path, `${JSON.stringify(record)}\n`);
  }
}

// Lines of JSON that a study appends to, so that a run that was stopped knows what it did.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';

export class Log<Line> {
  readonly #path: string;
  readonly #lines: Line[];

  constructor(path: string) {
    this.#path = path;
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
    this.#lines = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Line);
  }

  get all(): readonly Line[] {
    return this.#lines;
  }

  add(line: Line): void {
    this.#lines.push(line);
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
  }
}

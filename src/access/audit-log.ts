// Who did what: one JSON line a call that changes something, and one for each that was refused.
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppError, type Clock, type Logger, systemClock } from '#base';

export interface AuditEntry {
  /** Empty where nobody was recognized. */
  readonly principal: string;
  /** Path of the call or request. */
  readonly path: string;
  /** Address that it came from; empty where there is none. */
  readonly address: string;
  /** `OK`, or the name of the status that it ended with. */
  readonly outcome: string;
}

/** Lines are appended by one write each, so that readers never see half of one. */
export class AuditLog {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #logger: Logger;

  /** @throws AppError `file_not_allowed` when nothing can be appended to the file */
  constructor(path: string, logger: Logger, clock: Clock = systemClock) {
    this.#path = path;
    this.#clock = clock;
    this.#logger = logger;
    try {
      mkdirSync(dirname(path), { recursive: true });
      appendFileSync(path, '', { mode: 0o600 });
    } catch (error) {
      throw AppError.from(error);
    }
  }

  write(entry: AuditEntry): void {
    const time = new Date(this.#clock.nowMs()).toISOString();
    try {
      appendFileSync(this.#path, `${JSON.stringify({ time, ...entry })}\n`);
    } catch (error) {
      this.#logger.error('audit line not written', { message: AppError.from(error).message, ...entry });
    }
  }
}

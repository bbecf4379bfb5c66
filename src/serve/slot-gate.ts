// A number of places, and who waits for one: smaller priorities first, then whoever came first.
import { AppError, invariant } from '#base';

interface Waiting {
  readonly priority: number;
  readonly enter: () => void;
}

export interface SlotRequest {
  /** Ends the waiting. */
  readonly signal: AbortSignal;
  /** Smaller numbers first. @default 0 */
  readonly priority?: number;
  /** Longest wait, milliseconds. @default no limit */
  readonly timeoutMs?: number;
}

export class SlotGate {
  #free: number;
  readonly #waiting: Waiting[] = [];

  constructor(slots: number) {
    invariant(slots >= 1, 'there is a slot');
    this.#free = slots;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get free(): number {
    return this.#free;
  }

  /** Waits for a place; `leave` gives it back. @throws AppError `cancelled` | `overloaded` after `timeoutMs` */
  enter({ signal, priority = 0, timeoutMs }: SlotRequest): Promise<void> {
    if (signal.aborted) return Promise.reject(cancelled());
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const stop = (error: AppError): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        end();
        reject(error);
      };
      const onAbort = (): void => stop(cancelled());
      const late = (): void =>
        stop(
          new AppError('overloaded', `no place was free for ${timeoutMs} ms. Try again later.`, {
            details: { retryAfterMs: timeoutMs ?? 0 },
          }),
        );
      const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      };
      const waiting: Waiting = {
        priority,
        enter: () => {
          end();
          resolve();
        },
      };
      signal.addEventListener('abort', onAbort);
      const behind = this.#waiting.findIndex((other) => other.priority > priority);
      this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, waiting);
    });
  }

  /** Gives the place to whoever is next. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next.enter();
  }
}

function cancelled(): AppError {
  return new AppError('cancelled', 'the operation was cancelled.');
}

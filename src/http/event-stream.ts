// Server-sent events to one client, at the pace at which it reads.
import type { Exchange } from './exchange.ts';

/**
 * Begins with the first event, so that what fails before it is an ordinary answer.
 *
 * Invariant: while the client has not taken what was written, nothing more is written; `onDrain` says when it has.
 */
export class EventStream {
  readonly #exchange: Exchange;
  readonly #onDrain: () => void;
  #isFull = false;

  constructor(exchange: Exchange, onDrain: () => void) {
    this.#exchange = exchange;
    this.#onDrain = onDrain;
  }

  /** Whether the client is behind. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** @param data - one line */
  send(data: string): void {
    const { response } = this.#exchange;
    if (response.destroyed) return;
    if (!response.headersSent) {
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache',
        'x-accel-buffering': 'no',
      });
      // One event is one packet: waiting for more would hold tokens back.
      response.socket?.setNoDelay(true);
    }
    if (response.write(`data: ${data}\n\n`) || this.#isFull) return;
    this.#isFull = true;
    response.once('drain', () => {
      this.#isFull = false;
      this.#onDrain();
    });
  }

  /** Waits until the client has taken everything, or has left. */
  async drained(): Promise<void> {
    while (this.#isFull && !this.#exchange.signal.aborted)
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#exchange.response.off('drain', done);
          this.#exchange.signal.removeEventListener('abort', done);
          resolve();
        };
        this.#exchange.response.once('drain', done);
        this.#exchange.signal.addEventListener('abort', done, { once: true });
      });
  }

  end(): void {
    this.#exchange.response.end();
  }
}

// Continuations as server-sent events: one a token for a client that keeps up, fewer and longer ones for one that does not.
import type { TokenLogprobs } from '#serve';
import { errorReply } from './errors.ts';
import { EventStream } from './event-stream.ts';
import type { Exchange } from './exchange.ts';
import { type GenerationSink, joinPieces, type Piece } from './run-generations.ts';

/** How a protocol writes its events. */
export interface ChunkFormat {
  /** The event of a piece; several where a choice begins with one of its own. */
  chunks(choice: number, piece: Piece): readonly object[];
  prompt?(promptIndex: number, logprobs: readonly TokenLogprobs[]): void;
}

/**
 * Invariant: pieces of a choice are sent in order and none is lost; while the client is behind they are joined, so that what waits is never
 * more than one event a choice and as long as its text.
 */
export class PieceStream implements GenerationSink {
  readonly #exchange: Exchange;
  readonly #format: ChunkFormat;
  readonly #events: EventStream;
  readonly #waiting = new Map<number, Piece>();

  constructor(exchange: Exchange, format: ChunkFormat) {
    this.#exchange = exchange;
    this.#format = format;
    this.#events = new EventStream(exchange, () => this.#flush());
  }

  prompt(promptIndex: number, logprobs: readonly TokenLogprobs[]): void {
    this.#format.prompt?.(promptIndex, logprobs);
  }

  piece(choice: number, piece: Piece): void {
    const waiting = this.#waiting.get(choice);
    const joined = waiting === undefined ? piece : joinPieces(waiting, piece);
    // A token that completes no character is part of the next event.
    const isEmpty = joined.text === '' && joined.logprobs.length === 0 && joined.reason === undefined;
    if (this.#events.isFull || isEmpty) this.#waiting.set(choice, joined);
    else {
      this.#waiting.delete(choice);
      this.#send(choice, joined);
    }
  }

  /** Sends the rest, then `last` and the mark of the end, once the client has taken what came before. */
  async end(last: readonly object[]): Promise<void> {
    while (this.#waiting.size > 0 || this.#events.isFull) {
      await this.#events.drained();
      if (this.#exchange.signal.aborted) return;
      this.#flush();
    }
    for (const chunk of last) this.#events.send(JSON.stringify(chunk));
    this.#events.send('[DONE]');
    this.#events.end();
  }

  /** Ends with an error: as an ordinary answer where nothing has been sent, else as the last event, without the mark of the end. */
  fail(thrown: unknown): void {
    if (!this.#exchange.response.headersSent) throw thrown;
    this.#events.send(JSON.stringify(errorReply(this.#exchange.stoppedBy ?? thrown).body));
    this.#events.end();
  }

  #flush(): void {
    for (const [choice, piece] of this.#waiting) {
      if (this.#events.isFull) return;
      this.#waiting.delete(choice);
      this.#send(choice, piece);
    }
  }

  #send(choice: number, piece: Piece): void {
    for (const chunk of this.#format.chunks(choice, piece)) this.#events.send(JSON.stringify(chunk));
  }
}

// One request and its answer: reading JSON within limits, answering once, and noticing that the client has left.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AppError } from '#base';
import { type ErrorReply, errorReply, RequestFault } from './errors.ts';

/** A body so many times over the limit is not even read to its end. */
const hopeless = 8;

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly #stop = new AbortController();
  #stoppedBy: AppError | undefined;
  #clientLeft = false;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request;
    this.response = response;
    // Also comes after every ordinary end, when there is nothing left to stop.
    response.on('close', () => {
      this.#clientLeft = !response.writableEnded;
      this.#stop.abort();
    });
  }

  /** Aborted when the client has left or the server ends without grace. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Whether the client went before the answer had ended. */
  get clientLeft(): boolean {
    return this.#clientLeft;
  }

  /** Why the server itself ended the request. */
  get stoppedBy(): AppError | undefined {
    return this.#stoppedBy;
  }

  abort(reason: AppError): void {
    this.#stoppedBy = reason;
    this.#stop.abort();
  }

  /** The body as JSON. @throws RequestFault */
  async json(maxBytes: number): Promise<unknown> {
    const { headers } = this.request;
    // Also keeps pages of other sites out: a browser asks first before it sends them JSON.
    if (!/^application\/(json|[\w.-]+\+json)\b/i.test(headers['content-type'] ?? ''))
      throw new RequestFault(415, 'unsupported_media_type', 'content-type: must be application/json.');
    const text = new TextDecoder('utf-8', { fatal: true });
    try {
      return JSON.parse(text.decode(await this.#body(maxBytes))) as unknown;
    } catch (error) {
      if (error instanceof RequestFault) throw error;
      throw new RequestFault(
        400,
        'bad_json',
        `the body is not JSON: ${error instanceof Error ? error.message.slice(0, 200) : 'unreadable'}.`,
      );
    }
  }

  async #body(maxBytes: number): Promise<Uint8Array> {
    const tooLarge = new RequestFault(413, 'message_too_large', `the body is larger than ${maxBytes} bytes. Send less at a time.`, {
      connection: 'close',
    });
    if (Number(this.request.headers['content-length'] ?? 0) > maxBytes * hopeless) throw tooLarge;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.request) {
      const bytes = chunk as Buffer;
      size += bytes.byteLength;
      // What is a little too large is read and forgotten: a client that still sends would not see the answer.
      if (size <= maxBytes) chunks.push(bytes);
      else if (size > maxBytes * hopeless) break;
    }
    if (size > maxBytes) throw tooLarge;
    return Buffer.concat(chunks);
  }

  sendJson(body: object, status = 200, headers: Readonly<Record<string, string>> = {}): void {
    if (this.response.headersSent || this.response.destroyed) return;
    const bytes = Buffer.from(JSON.stringify(body));
    this.response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.byteLength, ...headers });
    this.response.end(bytes);
  }

  /** Answers with the error, unless an answer has begun. */
  sendError(thrown: unknown): ErrorReply {
    const reply = errorReply(thrown);
    this.sendJson(reply.body, reply.status, reply.headers);
    return reply;
  }
}

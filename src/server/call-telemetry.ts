// The span and the time of every call.
import { isIP } from 'node:net';
import { AppError, attributes, errorCatalogue, metrics, type Span, type StatusName, type Telemetry, type Tracer } from '#base';

/** What calls of every kind have. */
export interface ObservableCall {
  getPath(): string;
  getPeer(): string;
  getDeadline(): Date | number;
  readonly metadata: { get(name: string): readonly (string | Buffer)[] };
}

/** How a call ended. */
export type CallStatus = 'OK' | StatusName;

/** Faults of the server; the others are the caller's. */
const serverFaults: ReadonlySet<CallStatus> = new Set(['DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS']);

/** The client's deadline passes before the server's, by the time that the call travelled. */
const clockSlackMs = 50;

/** The status that a thrown value becomes. */
export function statusOf(thrown: unknown): StatusName {
  return errorCatalogue[AppError.from(thrown).code].status;
}

/** One call under observation. */
export class ObservedCall {
  readonly #tracer: Tracer;
  readonly #span: Span;
  readonly #onEnd: (status: CallStatus, message: string | undefined, span: Span) => void;

  constructor(tracer: Tracer, span: Span, onEnd: (status: CallStatus, message: string | undefined, span: Span) => void) {
    this.#tracer = tracer;
    this.#span = span;
    this.#onEnd = onEnd;
  }

  /** Everything that `work` starts belongs to the call's span. */
  within<Result>(work: () => Result): Result {
    return this.#tracer.within(this.#span, work);
  }

  end(status: CallStatus, message?: string): void {
    this.#onEnd(status, message, this.#span);
  }
}

/** Makes a span and a reading of `rpc.server.call.duration` for each call. */
export class CallTelemetry {
  readonly #tracer: Tracer;
  readonly #duration: (seconds: number, labels: Readonly<Record<string, string>>) => void;

  constructor({ tracer, meter }: Telemetry) {
    this.#tracer = tracer;
    this.#duration = meter.histogram(metrics.callDuration);
  }

  begin(call: ObservableCall): ObservedCall {
    const startedMs = performance.now();
    // Only methods that exist come here, so the label has few values.
    const method = call.getPath().replace(/^\//, '');
    const labels = { [attributes.rpcSystem]: 'grpc', [attributes.rpcMethod]: method };
    const span = this.#tracer.start(method, {
      kind: 'server',
      attributes: { ...labels, ...peerOf(call) },
      headers: (name) => {
        const [value] = call.metadata.get(name);
        return typeof value === 'string' ? value : undefined;
      },
    });
    return new ObservedCall(this.#tracer, span, (given, message, ended) => {
      // A handler is told the same when the client leaves and when the deadline passes.
      const hasPassed = Number(call.getDeadline()) - Date.now() < clockSlackMs;
      const status = given === 'CANCELLED' && hasPassed ? 'DEADLINE_EXCEEDED' : given;
      const outcome = {
        [attributes.rpcStatus]: status,
        ...(serverFaults.has(status) ? { [attributes.errorType]: status } : {}),
      };
      this.#duration((performance.now() - startedMs) / 1000, { ...labels, ...outcome });
      ended.set(outcome);
      ended.end(serverFaults.has(status) ? { type: status, ...(message === undefined ? {} : { message }) } : undefined);
    });
  }
}

/** Host and port of the peer; undefined where it has no internet address. */
function hostPort(call: Pick<ObservableCall, 'getPeer'>): readonly [string, number] | undefined {
  const [, address = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(call.getPeer()) ?? [];
  return isIP(address) === 0 ? undefined : [address, Number(port)];
}

/** Address that a call comes from; empty where there is none. */
export function addressOf(call: Pick<ObservableCall, 'getPeer'>): string {
  return hostPort(call)?.[0] ?? '';
}

function peerOf(call: ObservableCall): Record<string, string | number> {
  const [address, port] = hostPort(call) ?? [];
  return address === undefined || port === undefined ? {} : { [attributes.peerAddress]: address, [attributes.peerPort]: port };
}

// The engine's side of its worker: sends requests, waits for answers where the contract is synchronous, and keeps promises of runs.
import { once } from 'node:events';
import { MessageChannel, type MessagePort, receiveMessageOnPort, type Transferable, Worker } from 'node:worker_threads';
import { AppError, invariant } from '#base';
import { type Answer, type Failure, numSignals, type Report, type Request, signalIndex, type WorkerStart } from './messages.ts';

interface PendingRun {
  readonly resolve: () => void;
  readonly reject: (error: AppError) => void;
}

/** How often a thread that waits for an answer looks whether the worker still lives. */
const lookMs = 500;

/** States: working → ended, by `end` or because the thread died; then requests are dropped and questions refused. */
export class WorkerLink {
  readonly version: string;
  readonly isGpu: boolean;
  readonly #worker: Worker;
  readonly #answers: MessagePort;
  readonly #signals: Int32Array;
  readonly #runs = new Map<number, PendingRun>();
  #numRuns = 0;
  #isEnded = false;

  private constructor(worker: Worker, answers: MessagePort, signals: Int32Array, { version, isGpu }: Extract<Report, { kind: 'ready' }>) {
    this.version = version;
    this.isGpu = isGpu;
    this.#worker = worker;
    this.#answers = answers;
    this.#signals = signals;
    worker.on('message', (report: Report) => this.#hear(report));
    worker.on('error', (error) => this.#die(error));
    worker.on('exit', () => this.#die(undefined));
    // A process that has nothing else to do may end.
    worker.unref();
    answers.unref();
  }

  /** @throws AppError `provider_missing` when the binding does not load */
  static async start(bindingPath: string, remedy: string): Promise<WorkerLink> {
    const signals = new SharedArrayBuffer(4 * numSignals);
    const { port1: answers, port2 } = new MessageChannel();
    const given: WorkerStart = { bindingPath, answers: port2, signals };
    // None of this process' flags: some are not allowed in threads.
    const worker = new Worker(new URL('entry.js', import.meta.url), { workerData: given, transferList: [port2], execArgv: [] });
    const report = await firstReport(worker);
    if (report.kind === 'ready') return new WorkerLink(worker, answers, new Int32Array(signals), report);
    answers.close();
    await worker.terminate();
    throw new AppError('provider_missing', `TensorFlow: ${bindingPath} cannot be loaded: ${report.message} ${remedy}`);
  }

  send(request: Request, carriers: readonly ArrayBuffer[] = []): void {
    if (this.#isEnded) return;
    this.#worker.postMessage(request, carriers as Transferable[]);
    // After the message, so that a worker that sees the number finds it.
    Atomics.add(this.#signals, signalIndex.sent, 1);
  }

  /** Stops this thread until the worker answers, which it does between two ops. @throws AppError `engine_failure` | `out_of_memory` */
  ask(request: Extract<Request, { kind: 'read' | 'countTensors' }>): Answer {
    const before = Atomics.load(this.#signals, signalIndex.answered);
    this.send(request);
    while (Atomics.load(this.#signals, signalIndex.answered) === before) {
      if (this.#isEnded || Atomics.load(this.#signals, signalIndex.ended) === 1)
        throw new AppError('engine_failure', 'TensorFlow: its thread has ended.');
      Atomics.wait(this.#signals, signalIndex.answered, before, lookMs);
    }
    const received = receiveMessageOnPort(this.#answers);
    invariant(received !== undefined, 'an answer lies in the port before it is signalled');
    const answer = received.message as Answer;
    if (answer.kind === 'failed') throw new AppError(answer.failure.code, `TensorFlow: ${answer.failure.message}`);
    return answer;
  }

  /** @throws AppError `cancelled` | `engine_failure` | `out_of_memory`, with `place` in front of the message */
  async run(
    request: Omit<Extract<Request, { kind: 'run' }>, 'kind' | 'run'>,
    carriers: readonly ArrayBuffer[],
    place: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.#isEnded) throw new AppError('engine_failure', `${place}: TensorFlow's thread has ended.`);
    const run = ++this.#numRuns;
    const onAbort = (): void => this.send({ kind: 'cancel', run });
    const ended = new Promise<void>((resolve, reject) => {
      this.#runs.set(run, {
        resolve,
        reject: ({ code, message, cause }) => reject(new AppError(code, `${place}: ${message.replace(`[${code}] `, '')}`, { cause })),
      });
    });
    this.#worker.ref();
    this.send({ kind: 'run', run, ...request }, carriers);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await ended;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#runs.delete(run);
      if (this.#runs.size === 0) this.#worker.unref();
    }
  }

  /** Ends the thread with all that it holds. */
  async end(): Promise<void> {
    if (this.#isEnded) return;
    const exited = once(this.#worker, 'exit');
    this.send({ kind: 'end' });
    this.#isEnded = true;
    this.#worker.ref();
    await exited;
    this.#answers.close();
  }

  #hear(report: Report): void {
    if (report.kind !== 'done') return;
    const pending = this.#runs.get(report.run);
    if (report.failure === undefined) pending?.resolve();
    else pending?.reject(errorOf(report.failure));
  }

  #die(cause: unknown): void {
    this.#isEnded = true;
    for (const { reject } of this.#runs.values()) reject(new AppError('engine_failure', "TensorFlow's thread has ended.", { cause }));
  }
}

function errorOf({ code, message }: Failure): AppError {
  return new AppError(code, message);
}

/** What the worker says first; a thread that cannot start says it by its end. */
async function firstReport(worker: Worker): Promise<Extract<Report, { kind: 'ready' | 'unusable' }>> {
  const settled = new AbortController();
  const { signal } = settled;
  try {
    const [report] = (await Promise.race([
      once(worker, 'message', { signal }),
      once(worker, 'exit', { signal }).then(() => [{ kind: 'unusable', message: 'its thread ended.' } satisfies Report]),
    ])) as [Extract<Report, { kind: 'ready' | 'unusable' }>];
    return report;
  } catch (error) {
    return { kind: 'unusable', message: error instanceof Error ? error.message : String(error) };
  } finally {
    settled.abort();
  }
}

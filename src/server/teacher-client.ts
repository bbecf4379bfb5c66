// The other end of `Distributions`: a teacher on another server, asked again while that server is away.
import { AppError, at } from '#base';
import { joinAnswers, type TeacherAnswers } from '#distill';
import type { ConnectTeacher, RemoteModel, RemoteQuestion, TeacherConnection } from '#jobs';
import type { ModelConfig } from '#models';
import type { HostTensor } from '#tensor';
import { AthanorClient, type ClientSecurity } from './client.ts';
import type { DistributionsRequest } from './gen/athanor/v1/DistributionsRequest.ts';
import type { DistributionsResponse__Output } from './gen/athanor/v1/DistributionsResponse.ts';

export interface TeacherClientOptions {
  /** A single call may take so long. @default 120,000 */
  readonly timeoutMs?: number;
  /** How long to try again while the server cannot be reached. @default 120,000 */
  readonly patienceMs?: number;
  /** What to show a server, and what to trust of it. Tokens go to the server that they are for alone. @default nothing, without TLS */
  readonly security?: (target: string) => ClientSecurity;
  /** Before the first repetition; twice as long before each further one, up to 5 s. @default 200 */
  readonly pauseMs?: number;
}

const defaults: Required<TeacherClientOptions> = { timeoutMs: 120_000, patienceMs: 120_000, pauseMs: 200, security: () => ({}) };
const longestPauseMs = 5000;
/** Failures that pass; a server that ends cancels the calls that it has. */
const passing: ReadonlySet<string> = new Set(['unavailable', 'deadline_exceeded', 'overloaded', 'cancelled']);

/** Opens connections to teachers on other servers. */
export function teacherConnector(options: TeacherClientOptions = {}): ConnectTeacher {
  return (target) => new TeacherClient(target, { ...defaults, ...options });
}

class TeacherClient implements TeacherConnection {
  readonly #target: string;
  readonly #client: AthanorClient;
  readonly #options: Required<TeacherClientOptions>;

  constructor(target: string, options: Required<TeacherClientOptions>) {
    this.#target = target;
    this.#client = new AthanorClient(target, options.security(target));
    this.#options = options;
  }

  async describe(model: string): Promise<RemoteModel> {
    const { Get } = this.#client.protocol.model;
    const timeoutMs = Math.min(10_000, this.#options.timeoutMs);
    const answer = await this.#client.unary(Get, { name: model }, { timeoutMs }).catch((thrown: unknown) => {
      throw this.#named(model, thrown, 0);
    });
    const { model: info } = answer;
    if (info === null) throw new AppError('internal', `athanor://${this.#target}/${model}: was described by nothing.`);
    return {
      reference: `${info.name}@${info.version}`,
      hash: info.hash,
      tokenizerHash: info.tokenizerHash,
      config: JSON.parse(info.configJson) as ModelConfig,
    };
  }

  async answers(question: RemoteQuestion, signal: AbortSignal): Promise<TeacherAnswers> {
    const { patienceMs, pauseMs } = this.#options;
    const request = requestOf(question);
    const started = performance.now();
    for (let pause = pauseMs; ; pause = Math.min(2 * pause, longestPauseMs)) {
      try {
        return await this.#ask(request, question, signal);
      } catch (thrown) {
        if (signal.aborted) throw new AppError('cancelled', 'the teacher was not waited for.', { cause: thrown });
        const waited = performance.now() - started;
        if (!passing.has(AppError.from(thrown).code) || waited + pause > patienceMs) throw this.#named(question.model, thrown, waited);
        await sleep(pause, signal);
      }
    }
  }

  close(): void {
    this.#client.close();
  }

  async #ask(request: DistributionsRequest, { form }: RemoteQuestion, signal: AbortSignal): Promise<TeacherAnswers> {
    const { Distributions } = this.#client.protocol.inference;
    const parts: TeacherAnswers[] = [];
    const { timeoutMs } = this.#options;
    for await (const message of this.#client.serverStream(Distributions, request, { signal, timeoutMs }))
      parts.push(answersOf(message, form));
    if (parts.length === 0) throw new AppError('unavailable', 'the teacher ended without an answer.');
    return joinAnswers(parts);
  }

  /** A failure with the server's name and, where it passes, what to do. */
  #named(model: string, thrown: unknown, waitedMs: number): AppError {
    const error = AppError.from(thrown);
    const place = `teacher athanor://${this.#target}/${model}`;
    const said = error.message.replace(/^\[\w+\] /, '');
    const details = { ...error.details, server: this.#target };
    if (!passing.has(error.code)) return new AppError(error.code, `${place}: ${said}`, { details, cause: thrown });
    const waited = waitedMs < 1000 ? '' : ` in ${Math.round(waitedMs / 1000)} s`;
    return new AppError(
      'teacher_unavailable',
      `${place}: did not answer${waited} (${said}) Start that server, then try the job again: it goes on where it was.`,
      {
        details,
        cause: thrown,
      },
    );
  }
}

function requestOf({ model, batch, form, temperature, tokenizerHash }: RemoteQuestion): DistributionsRequest {
  const common = { model, temperature, tokenizerHash, ...(form.kind === 'top' ? { topK: form.topK } : {}) };
  if ('source' in batch) {
    const { source, sourceMask, labels } = batch;
    return {
      ...common,
      sequences: listsOf(labels, (row, column) => labels.data[row * at(labels.shape, 1) + column] !== -1n),
      length: at(labels.shape, 1),
      sources: listsOf(source, (row, column) => sourceMask.data[row * at(source.shape, 1) + column] === 1),
      sourceLength: at(source.shape, 1),
    };
  }
  const { tokens, mask, tokenTypes, rows } = batch;
  const T = at(tokens.shape, 1);
  const isReal = (row: number, column: number): boolean => (mask?.data[row * T + column] ?? 1) === 1;
  return {
    ...common,
    sequences: listsOf(tokens, isReal),
    length: T,
    ...(tokenTypes === undefined ? {} : { tokenTypes: listsOf(tokenTypes, isReal) }),
    ...(rows === undefined ? {} : { rows: Array.from(rows.data, Number) }),
  };
}

/** Row by row, those that are real: all stand before the padding. */
function listsOf({ shape, data }: HostTensor<'int64'>, isReal: (row: number, column: number) => boolean): { ids: number[] }[] {
  const [B = 0, T = 0] = shape;
  return Array.from({ length: B }, (_, row) => {
    const ids: number[] = [];
    for (let column = 0; column < T && isReal(row, column); column++) ids.push(Number(data[row * T + column]));
    return { ids };
  });
}

function answersOf(
  { rows, choices, ids, logProbabilities, logTails }: DistributionsResponse__Output,
  form: RemoteQuestion['form'],
): TeacherAnswers {
  const perRow = form.kind === 'top' ? form.topK : choices;
  const isWhole =
    form.kind === 'full'
      ? logProbabilities.length === 2 * rows * choices
      : ids.length === 4 * rows * perRow && logProbabilities.length === 4 * rows * perRow && logTails.length === 4 * rows;
  if (!isWhole || rows === 0) throw new AppError('internal', 'the teacher sent a message with other sizes than it says.');
  // Copied: the views of a message need not be aligned.
  const copy = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;
  if (form.kind === 'full') return { kind: 'full', choices, logProbabilities: new Uint16Array(copy(logProbabilities)) };
  return {
    kind: 'top',
    topK: form.topK,
    ids: new Int32Array(copy(ids)),
    logProbabilities: new Float32Array(copy(logProbabilities)),
    logTails: new Float32Array(copy(logTails)),
  };
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}

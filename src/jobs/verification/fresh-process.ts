// A supervised child process that loads an artefact and runs it: started early, given a time limit, never left behind.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { AppError } from '#base';

export interface ChildRequest {
  readonly folder: string;
  /** Address of the artefact: all its files are checked against it. */
  readonly hash: string;
  /** As engines name it. */
  readonly device: string;
}

export type ChildAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'logits'; readonly logits: Float32Array }
  | { readonly kind: 'failed'; readonly message: string };

const defaultEntry = fileURLToPath(new URL('entry.js', import.meta.url));
/** What is kept of what the process says before it dies. */
const longestWords = 2000;

/** One process for one artefact. It starts to load its code at once, so that this overlaps with the writing of the artefact. */
export class FreshProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<string>;
  #words = '';

  constructor(entry = defaultEntry) {
    this.#child = fork(entry, [], { execArgv: [], serialization: 'advanced', stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#child.stderr?.on('data', (data: Buffer) => {
      this.#words = (this.#words + data.toString()).slice(-longestWords);
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(`could not be started: ${error.message}`));
      this.#child.once('exit', (code, signal) => resolve(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`));
    });
  }

  /** For tests that kill it. */
  get processId(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Logits of the probe's tokens.
   *
   * @throws AppError `verification_failed` when the process cannot load or run the artefact, dies, or takes longer; `cancelled`
   */
  async logits(request: ChildRequest, timeoutMs: number, signal: AbortSignal): Promise<Float32Array> {
    const answered = new Promise<ChildAnswer>((resolve) => {
      this.#child.on('message', (answer: ChildAnswer) => {
        if (answer.kind !== 'ready') resolve(answer);
      });
    });
    // A process that has died already says so below.
    this.#child.send(request, () => {});
    let timer: NodeJS.Timeout | undefined;
    let onAbort = (): void => {};
    try {
      const late = new Promise<string>((resolve) => {
        timer = setTimeout(() => resolve(`did not answer within ${Math.round(timeoutMs / 1000)} s`), timeoutMs);
      });
      const aborted = new Promise<'cancelled'>((resolve) => {
        onAbort = () => resolve('cancelled');
        signal.addEventListener('abort', onAbort, { once: true });
        if (signal.aborted) resolve('cancelled');
      });
      const first = await Promise.race([answered, this.#ended, late, aborted]);
      if (first === 'cancelled') throw new AppError('cancelled', 'the operation was cancelled.');
      if (typeof first === 'string') throw verificationFailed(`the fresh process ${first}${this.#lastWords()}`);
      if (first.kind === 'logits') return first.logits;
      throw verificationFailed(`the fresh process could not run it: ${first.kind === 'failed' ? first.message : first.kind}`);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      this.end();
    }
  }

  /** Safe to call twice. */
  end(): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
  }

  #lastWords(): string {
    const words = this.#words.trim();
    return words === '' ? '' : `; its last words: ${words}`;
  }
}

/** Says that nothing was stored. */
export function verificationFailed(problem: string): AppError {
  return new AppError('verification_failed', `loading the result back: ${problem}. Nothing was stored under the name. Run the job again.`);
}

// A supervised child process that loads an artefact and runs it: started early, given a time limit, never left behind.
import { fileURLToPath } from 'node:url';
import { AppError } from '#base';
import { SupervisedProcess } from '../supervised-process.ts';

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
/** One process for one artefact. It starts to load its code at once, so that this overlaps with the writing of the artefact. */
export class FreshProcess {
  readonly #child: SupervisedProcess<ChildRequest, ChildAnswer>;

  constructor(entry = defaultEntry) {
    this.#child = new SupervisedProcess(entry);
  }

  /** For tests that kill it. */
  get processId(): number | undefined {
    return this.#child.processId;
  }

  /**
   * Logits of the probe's tokens.
   *
   * @throws AppError `verification_failed` when the process cannot load or run the artefact, dies, or takes longer; `cancelled`
   */
  async logits(request: ChildRequest, timeoutMs: number, signal: AbortSignal): Promise<Float32Array> {
    const answered = new Promise<ChildAnswer>((resolve) => {
      this.#child.hear((answer) => {
        if (answer.kind !== 'ready') resolve(answer);
      });
    });
    this.#child.tell(request);
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
      const first = await Promise.race([answered, this.#child.ended, late, aborted]);
      if (first === 'cancelled') throw new AppError('cancelled', 'the operation was cancelled.');
      if (typeof first === 'string') throw verificationFailed(`the fresh process ${first}`);
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
    this.#child.signal('SIGKILL');
  }
}

/** Says that nothing was stored. */
export function verificationFailed(problem: string): AppError {
  return new AppError('verification_failed', `loading the result back: ${problem}. Nothing was stored under the name. Run the job again.`);
}

// A process of our own code that is started for some work: its end is seen, its last words are kept, and it is never left behind.
import { type ChildProcess, fork } from 'node:child_process';

/** What is kept of what the process says before it dies. */
const longestWords = 2000;

/** Speaks in messages of `Told` and `Heard`, which may hold typed arrays. */
export class SupervisedProcess<Told, Heard> {
  /** How the process ended, as the end of a sentence. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  #words = '';

  /** @param entry - path of a JavaScript file */
  constructor(entry: string, parameters: readonly string[] = []) {
    this.#child = fork(entry, parameters, { execArgv: [], serialization: 'advanced', stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#child.stderr?.on('data', (data: Buffer) => {
      this.#words = (this.#words + data.toString()).slice(-longestWords);
    });
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(`could not be started: ${error.message}`));
      this.#child.once('exit', (code, signal) => {
        const words = this.#words.trim();
        const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
        resolve(words === '' ? how : `${how}; its last words: ${words}`);
      });
    });
  }

  get processId(): number | undefined {
    return this.#child.pid;
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  hear(listener: (message: Heard) => void): void {
    this.#child.on('message', listener);
  }

  /** One that has died already says so by its end. */
  tell(message: Told & object): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** Safe to call whenever. */
  signal(signal: NodeJS.Signals): void {
    if (this.isAlive) this.#child.kill(signal);
  }
}

// Threads that choose tokens: rows of large vocabularies take milliseconds, in which the thread of the calls would answer nobody.
import { Worker } from 'node:worker_threads';
import { AppError, type ErrorCode, type RandomState } from '#base';
import { type ChosenToken, chooseHere, type LogitRows, type NextRequest, type RankRequest, type TokenChooser } from './choice.ts';
import type { TokenRanks } from './log-probabilities.ts';
import type { Sampler, SamplerState } from './sampler.ts';
import type { Proposal } from './speculative.ts';

/** What a thread is asked, by the names of `TokenChooser`; samplers go as their states. */
export interface ChoiceRequests {
  readonly next: NextRequest & { readonly sampler: SamplerState };
  readonly propose: { readonly sampler: SamplerState; readonly rows: LogitRows };
  readonly rank: RankRequest;
}

export interface ChoiceAnswers {
  readonly next: { readonly tokens: readonly ChosenToken[]; readonly random: RandomState };
  readonly propose: { readonly proposal: Proposal; readonly random: RandomState };
  readonly rank: readonly TokenRanks[];
}

export type ChoiceKind = keyof ChoiceRequests;

/** To the thread. */
export interface ChoiceQuestion {
  readonly number: number;
  readonly kind: ChoiceKind;
  readonly request: ChoiceRequests[ChoiceKind];
}

/** From the thread, which says first that it is ready. */
export type ChoiceReply =
  | 'ready'
  | { readonly number: number; readonly answer: ChoiceAnswers[ChoiceKind] }
  | { readonly number: number; readonly failure: { readonly code: ErrorCode; readonly message: string } };

interface Pending {
  readonly resolve: (answer: ChoiceAnswers[ChoiceKind]) => void;
  readonly reject: (error: AppError) => void;
}

/** Logits of a smaller vocabulary are chosen from at once: sending them takes as long. */
const smallVocabulary = 8192;

/** More would not find a processor: steps on the CPU wait for these. */
const numThreads = 2;

/** The process' own, started when they are first used; they end with it. */
let shared: ThreadChooser | undefined;

/** Who chooses for a model with so many tokens. */
export function chooserFor(vocabularySize: number): TokenChooser {
  if (vocabularySize <= smallVocabulary) return chooseHere;
  shared ??= new ThreadChooser(numThreads);
  return shared;
}

/**
 * Questions go round the threads. Until one has started, which takes a second, they are answered at once; one that ends takes the questions that it had
 * with it, and another is started for the next.
 */
export class ThreadChooser implements TokenChooser {
  readonly #threads: (ChoiceThread | undefined)[];
  #next = 0;

  constructor(count: number) {
    this.#threads = Array.from({ length: count }, () => undefined);
  }

  async next(sampler: Sampler, request: NextRequest): Promise<readonly ChosenToken[]> {
    const thread = this.#turn();
    if (thread === undefined) return await chooseHere.next(sampler, request);
    const { tokens, random } = await thread.ask('next', { ...request, sampler: sampler.state });
    sampler.follow(
      tokens.map(({ id }) => id),
      random,
    );
    return tokens;
  }

  async propose(sampler: Sampler, rows: LogitRows): Promise<Proposal> {
    const thread = this.#turn();
    if (thread === undefined) return await chooseHere.propose(sampler, rows);
    const { proposal, random } = await thread.ask('propose', { sampler: sampler.state, rows });
    sampler.follow([proposal.id], random);
    return proposal;
  }

  rank(request: RankRequest): Promise<readonly TokenRanks[]> {
    return this.#turn()?.ask('rank', request) ?? chooseHere.rank(request);
  }

  /** Starts the threads before they are asked. @throws AppError `internal` */
  async start(): Promise<void> {
    await Promise.all(this.#threads.map((_, index) => this.#thread(index).started));
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread?.end()));
  }

  /** The thread whose turn it is; undefined while it has not started. */
  #turn(): ChoiceThread | undefined {
    const thread = this.#thread(this.#next);
    this.#next = (this.#next + 1) % this.#threads.length;
    return thread.isReady ? thread : undefined;
  }

  #thread(index: number): ChoiceThread {
    const known = this.#threads[index];
    if (known !== undefined && !known.isEnded) return known;
    const started = new ChoiceThread();
    this.#threads[index] = started;
    return started;
  }
}

class ChoiceThread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  /** @throws AppError `internal` when it cannot */
  readonly started: Promise<void>;
  #onReady = (): void => {};
  #onEnd: (error: AppError) => void = () => {};
  #lastNumber = 0;
  #state: 'starting' | 'ready' | 'ended' = 'starting';

  constructor() {
    // None of this process' flags: some are not allowed in threads.
    this.#worker = new Worker(new URL('choice-entry.js', import.meta.url), { execArgv: [] });
    this.#worker.on('message', (reply: ChoiceReply) => this.#hear(reply));
    this.#worker.on('error', (error) => this.#die(error));
    this.#worker.on('exit', () => this.#die(undefined));
    this.#worker.unref();
    this.started = new Promise((resolve, reject) => {
      this.#onReady = resolve;
      this.#onEnd = reject;
    });
    // Who does not wait for it hears of its end by the next question.
    this.started.catch(() => {});
  }

  get isReady(): boolean {
    return this.#state === 'ready';
  }

  get isEnded(): boolean {
    return this.#state === 'ended';
  }

  ask<Kind extends ChoiceKind>(kind: Kind, request: ChoiceRequests[Kind]): Promise<ChoiceAnswers[Kind]> {
    const number = ++this.#lastNumber;
    // A row is a view of a step's logits, which others read too: its own copy goes over whole.
    const data = request.rows.data.slice();
    const question: ChoiceQuestion = { number, kind, request: { ...request, rows: { ...request.rows, data } } };
    return new Promise((resolve, reject) => {
      this.#pending.set(number, { resolve: (answer) => resolve(answer as ChoiceAnswers[Kind]), reject });
      this.#worker.ref();
      this.#worker.postMessage(question, [data.buffer]);
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #hear(reply: ChoiceReply): void {
    if (reply === 'ready') {
      this.#state = 'ready';
      this.#onReady();
      return;
    }
    const pending = this.#take(reply.number);
    if ('answer' in reply) pending?.resolve(reply.answer);
    else pending?.reject(new AppError(reply.failure.code, reply.failure.message));
  }

  #take(number: number): Pending | undefined {
    const pending = this.#pending.get(number);
    this.#pending.delete(number);
    // A process that has nothing else to do may end.
    if (this.#pending.size === 0) this.#worker.unref();
    return pending;
  }

  #die(cause: unknown): void {
    this.#state = 'ended';
    const error = new AppError('internal', 'the thread that chooses tokens has ended. Ask again.', { cause });
    this.#onEnd(error);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}

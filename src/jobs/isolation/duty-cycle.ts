// How much of the time jobs run while calls are served: a share of every tenth of a second, and all of it when no call is there.

/** Short against what a person notices of a call, long against what stopping a process costs. */
const periodMs = 100;

export interface DutyCycleOptions {
  /** Above 0, at most 1: jobs never stand back. */
  readonly share: number;
  /** Stops what runs, at once. */
  readonly hold: () => void;
  /** Lets it go on. */
  readonly go: () => void;
}

/**
 * A lower priority alone does not keep a job from slowing calls: both share caches and the way to memory, and a thread that wakes waits for the slice of
 * the one that runs. What is stopped disturbs nobody.
 */
export class DutyCycle {
  readonly #options: DutyCycleOptions;
  #timer: NodeJS.Timeout | undefined;
  #isBusy = false;

  constructor(options: DutyCycleOptions) {
    this.#options = options;
  }

  /** @param isBusy - whether there are calls */
  set(isBusy: boolean): void {
    if (this.#options.share >= 1 || isBusy === this.#isBusy) return;
    this.#isBusy = isBusy;
    clearTimeout(this.#timer);
    if (isBusy) this.#hold();
    else this.#options.go();
  }

  /** Lets everything go on for good. */
  end(): void {
    this.set(false);
  }

  #hold(): void {
    const { share, hold, go } = this.#options;
    hold();
    this.#timer = setTimeout(
      () => {
        go();
        this.#timer = setTimeout(() => this.#hold(), share * periodMs);
      },
      (1 - share) * periodMs,
    );
    this.#timer.unref();
  }
}

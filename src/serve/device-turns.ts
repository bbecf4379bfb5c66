// Whose step runs next on a device that several models share.
import { type Clock, systemClock } from '#base';

interface Waiter {
  readonly user: DeviceUser;
  readonly begin: () => void;
}

/** One model's claim on a device. */
class DeviceUser {
  /** Device time that it has had, in milliseconds, on the scale that all users share. */
  usedMs = 0;
}

export type { DeviceUser };

/**
 * One step at a time on a device, and of the models that have one ready, the one that has had least of it comes next: two busy models get half of the
 * time each, whatever their steps cost. Who comes back after a pause begins where the others are, so that nobody saves up time.
 *
 * @see Goyal, Vin and Cheng, "Start-time Fair Queuing", SIGCOMM 1996
 */
export class DeviceTurns {
  readonly #clock: Clock;
  readonly #waiting: Waiter[] = [];
  #isBusy = false;
  /** Time that the user of the latest turn had had when it began: newcomers begin there. */
  #virtualMs = 0;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  join(): DeviceUser {
    return new DeviceUser();
  }

  /** Runs `work` when it is the user's turn. A user has one piece of work at a time. */
  async take<Result>(user: DeviceUser, work: () => Promise<Result>): Promise<Result> {
    user.usedMs = Math.max(user.usedMs, this.#virtualMs);
    if (this.#isBusy) await new Promise<void>((resolve) => this.#waiting.push({ user, begin: resolve }));
    this.#isBusy = true;
    this.#virtualMs = user.usedMs;
    const startMs = this.#clock.monotonicMs();
    try {
      return await work();
    } finally {
      user.usedMs += this.#clock.monotonicMs() - startMs;
      this.#next();
    }
  }

  /** Hands the turn on; the device stays busy where somebody waits. */
  #next(): void {
    const [first, ...others] = this.#waiting;
    if (first === undefined) {
      this.#isBusy = false;
      return;
    }
    const next = others.reduce((least, waiter) => (waiter.user.usedMs < least.user.usedMs ? waiter : least), first);
    this.#waiting.splice(this.#waiting.indexOf(next), 1);
    next.begin();
  }
}

const turnsOf = new WeakMap<object, DeviceTurns>();

/** The turns of an engine's device: the same for all its models. */
export function deviceTurns(engine: object): DeviceTurns {
  let turns = turnsOf.get(engine);
  if (turns === undefined) {
    turns = new DeviceTurns();
    turnsOf.set(engine, turns);
  }
  return turns;
}

// How often, and how often at a time, a principal may call.
import { AppError } from '#base';
import type { Principal } from './role.ts';

interface Account {
  /** Calls that may be made at once; grows with time up to a minute's worth. */
  tokens: number;
  filledMs: number;
  open: number;
}

export class CallLimits {
  readonly #accounts = new Map<string, Account>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Counts a call and answers what ends it. @throws AppError `rate_limited` | `overloaded` */
  enter({ name, callsPerMinute, callsAtOnce }: Principal): () => void {
    const account = this.#account(name, callsPerMinute ?? 0);
    if (callsAtOnce !== undefined && account.open >= callsAtOnce)
      throw new AppError('overloaded', `"${name}" has ${account.open} calls under way, as many as it may.`, {
        details: { limit: callsAtOnce, retryAfterMs: 1000 },
      });
    if (callsPerMinute !== undefined) this.#take(account, name, callsPerMinute);
    account.open++;
    let isOpen = true;
    return () => {
      if (isOpen) account.open--;
      isOpen = false;
    };
  }

  #take(account: Account, name: string, callsPerMinute: number): void {
    const nowMs = this.#nowMs();
    const perMs = callsPerMinute / 60_000;
    account.tokens = Math.min(callsPerMinute, account.tokens + (nowMs - account.filledMs) * perMs);
    account.filledMs = nowMs;
    if (account.tokens < 1)
      throw new AppError('rate_limited', `"${name}" may make ${callsPerMinute} calls a minute and has made them.`, {
        details: { limit: callsPerMinute, retryAfterMs: Math.ceil((1 - account.tokens) / perMs) },
      });
    account.tokens--;
  }

  #account(name: string, tokens: number): Account {
    const known = this.#accounts.get(name) ?? { tokens, filledMs: this.#nowMs(), open: 0 };
    this.#accounts.set(name, known);
    return known;
  }
}

// Named points where a test has something go wrong. Armed by whoever starts the process, from its environment; nothing that a client sends comes here.
import type { ErrorCode } from './error-catalogue.ts';
import { AppError } from './errors.ts';

export const faultPoints = ['train step', 'weight update', 'checkpoint', 'publish', 'decode step', 'job end'] as const;

export type FaultPoint = (typeof faultPoints)[number];

interface Fault {
  readonly action: 'fail' | 'lose' | 'exhaust' | 'crash' | 'delay' | 'block';
  readonly timeMs: number;
  /** The arrival at which it happens, from 1. */
  readonly at: number;
}

const codes: Partial<Record<Fault['action'], ErrorCode>> = { lose: 'device_lost', exhaust: 'out_of_memory' };

const armed = new Map<FaultPoint, Fault>();
const arrivals = new Map<FaultPoint, number>();

/**
 * Arms faults for the rest of the process.
 *
 * @param text - `point=action@n` with `;` between them: at the n-th arrival `fail` throws, `lose` throws as a device that is lost, `exhaust` as one whose
 *   memory is used up, `crash` kills the process, `delay:ms` waits, `block:ms` keeps the process from hearing anything. `@n` may be left out: the first.
 * @returns the points that are armed
 * @throws AppError `invalid_argument`
 */
export function armFaults(text: string): readonly FaultPoint[] {
  for (const entry of text.split(';').filter((part) => part.trim() !== '')) {
    const [, point = '', action = '', time = '0', at = '1'] =
      /^\s*([a-z ]+)=(fail|lose|exhaust|crash|delay|block):?(\d+)?(?:@(\d+))?\s*$/.exec(entry) ?? [];
    const known = faultPoints.find((one) => one === point);
    if (known === undefined)
      throw new AppError(
        'invalid_argument',
        `fault "${entry}": write point=fail, =lose, =exhaust, =crash, =delay:ms or =block:ms, then @n; points are ${faultPoints.join(', ')}.`,
      );
    armed.set(known, { action: action as Fault['action'], timeMs: Number(time), at: Number(at) });
  }
  return [...armed.keys()];
}

/** Lets what is armed here happen. Costs a look-up in an empty table where nothing is. */
export async function faultPoint(point: FaultPoint): Promise<void> {
  const fault = arrive(point);
  if (fault === undefined) return;
  if (fault.action === 'delay') await new Promise((resolve) => setTimeout(resolve, fault.timeMs));
  else strike(point, fault);
}

/** The same where nobody can wait: delays are passed over. */
export function faultPointNow(point: FaultPoint): void {
  const fault = arrive(point);
  if (fault !== undefined && fault.action !== 'delay') strike(point, fault);
}

function arrive(point: FaultPoint): Fault | undefined {
  const fault = armed.get(point);
  if (fault === undefined) return undefined;
  const arrival = (arrivals.get(point) ?? 0) + 1;
  arrivals.set(point, arrival);
  return arrival === fault.at ? fault : undefined;
}

function strike(point: FaultPoint, { action, timeMs }: Fault): void {
  if (action === 'block') {
    const end = performance.now() + timeMs;
    while (performance.now() < end);
    return;
  }
  if (action === 'crash') process.kill(process.pid, 'SIGKILL');
  throw new AppError(codes[action] ?? 'unavailable', `fault at "${point}", as the test wanted.`);
}

// Whether a process holds more and more: its resident memory over time, and how fast the floor of that grows.
import { readFileSync } from 'node:fs';

export interface Sample {
  readonly timeMs: number;
  readonly bytes: number;
}

/** Resident bytes of a process; undefined when it has ended, or where the system does not tell. */
export function residentBytesOf(pid: number): number | undefined {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kilobytes === undefined ? undefined : 1024 * Number(kilobytes);
  } catch {
    return undefined;
  }
}

/** Samples a process until it is stopped. */
export function watchMemory(pid: number, everyMs = 200): { stop(): readonly Sample[] } {
  const samples: Sample[] = [];
  const timer = setInterval(() => {
    const bytes = residentBytesOf(pid);
    if (bytes !== undefined) samples.push({ timeMs: performance.now(), bytes });
  }, everyMs);
  return {
    stop() {
      clearInterval(timer);
      return samples;
    },
  };
}

/**
 * How fast the floor of the memory grows, in bytes a minute: the median slope (Theil and Sen) between the smallest samples of windows, so that
 * garbage that waits to be collected and single peaks do not count.
 *
 * @param warmUpShare - of the time that is left out at the beginning
 */
export function floorGrowth(samples: readonly Sample[], warmUpShare = 1 / 3, windows = 12): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || first === last) return 0;
  const begin = first.timeMs + warmUpShare * (last.timeMs - first.timeMs);
  const width = (last.timeMs - begin) / windows;
  const floors = Array.from({ length: windows }, (_, window) => {
    const inside = samples.filter(({ timeMs }) => timeMs >= begin + window * width && timeMs <= begin + (window + 1) * width);
    return inside.reduce<Sample | undefined>(
      (least, sample) => (least === undefined || sample.bytes < least.bytes ? sample : least),
      undefined,
    );
  }).filter((floor) => floor !== undefined);
  const slopes = floors
    .flatMap((a, index) => floors.slice(index + 1).map((b) => (b.bytes - a.bytes) / (b.timeMs - a.timeMs)))
    .sort((a, b) => a - b);
  return (slopes[Math.floor(slopes.length / 2)] ?? 0) * 60_000;
}

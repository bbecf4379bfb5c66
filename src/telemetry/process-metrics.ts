// What the process itself feels: memory, and how late the event loop turns.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Meter, metrics } from '#base';

const resolutionMs = 10;
const nanosecondsPerSecond = 1e9;

/** Calling the answer ends it. */
export function observeProcess(meter: Meter): () => void {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  // The timer of the monitor is part of every delay that it sees.
  const seconds = (nanoseconds: number): number => Math.max(0, nanoseconds / nanosecondsPerSecond - resolutionMs / 1000);
  let mean = 0;
  const stops = [
    meter.gauge(metrics.eventLoopDelay, () => {
      const p99 = seconds(delay.percentile(99));
      // There is no mean of no turns.
      mean = seconds(delay.mean) || 0;
      delay.reset();
      return [{ value: p99 }];
    }),
    meter.gauge(metrics.eventLoopMean, () => [{ value: mean }]),
    meter.gauge(metrics.processMemory, () => [{ value: process.memoryUsage.rss() }]),
  ];
  return () => {
    for (const stop of stops) stop();
    delay.disable();
  };
}

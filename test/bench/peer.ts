// Drives the Python side of a benchmark: one line in, one JSON line out, so that both sides can take turns.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface PeerReading {
  readonly milliseconds: number;
  /** Of all threads. */
  readonly cpuMilliseconds: number;
  readonly value: number;
  readonly peakBytes: number;
}

export interface Peer {
  step(): Promise<PeerReading>;
  stop(): Promise<void>;
}

/** Starts `peer.py`; ATHANOR_BENCH_PYTHON names a Python with torch and transformers. */
export function startPeer(kind: string, spec: object): Peer {
  const python = process.env['ATHANOR_BENCH_PYTHON'] ?? 'python3';
  const script = fileURLToPath(new URL('./peer.py', import.meta.url));
  const child = spawn(python, [script, kind, JSON.stringify(spec)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    step: async () => {
      child.stdin.write('step\n');
      const { value, done } = await lines.next();
      if (done === true) throw new Error('the Python side ended; does it have torch and transformers?');
      return JSON.parse(value) as PeerReading;
    },
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? Number.NaN) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

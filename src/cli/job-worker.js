// Where the process of a job starts: stands back behind calls, lets Node load TypeScript, then hands over.
import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';
import { register } from 'tsx/esm/api';

// First of all: loading the code takes a second of the processor. Linux counts niceness by thread, and new threads have that of the thread that makes them.
const { niceness = 0 } = JSON.parse(process.argv[2] ?? '{}');
const threads = process.platform === 'linux' ? readdirSync('/proc/self/task').map(Number) : [0];
for (const thread of threads) setPriority(thread, niceness);

register({ tsconfig: false });
await import('./job-worker.ts');

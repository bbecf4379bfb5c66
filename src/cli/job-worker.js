// Where the process of a job starts: stands back behind calls, lets Node load TypeScript, then hands over.
import { setPriority } from 'node:os';
import { register } from 'tsx/esm/api';

// First of all: loading the code takes a second of the processor.
setPriority(JSON.parse(process.argv[2] ?? '{}').niceness ?? 0);
register({ tsconfig: false });
await import('./job-worker.ts');

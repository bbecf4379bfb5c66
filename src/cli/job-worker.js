// Where the process of a job starts: lets Node load TypeScript, then hands over.
import { register } from 'tsx/esm/api';

register({ tsconfig: false });
await import('./job-worker.ts');

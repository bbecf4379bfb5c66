// Where the thread that chooses tokens starts: lets Node load TypeScript, then hands over.
import { register } from 'tsx/esm/api';

register({ tsconfig: false });
await import('./choice-worker.ts');

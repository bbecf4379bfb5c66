// Where the fresh process starts that loads a result back: lets Node load TypeScript, then hands over.
import { register } from 'tsx/esm/api';

register({ tsconfig: false });
await import('./child.ts');

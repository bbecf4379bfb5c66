#!/usr/bin/env node
// The `athanor` command: lets Node load TypeScript, then hands over to main.ts.
import { register } from 'tsx/esm/api';

// Without tsconfig: the one in the caller's folder is none of ours.
register({ tsconfig: false });
await import('../main.ts');

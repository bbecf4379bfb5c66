// engine/open: the engine that a device's name stands for.
export { type OpenOptions, openEngine } from './open-engine.ts';

// engine: the contract every engine keeps.
export type { BufferType, CompileOptions, DeviceBuffer, Engine, EngineCounters, Program, RunOptions } from './engine.ts';

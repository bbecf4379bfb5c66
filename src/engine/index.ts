// engine: the contract every engine keeps.
export type {
  BufferType,
  CompileOptions,
  DeviceBuffer,
  Engine,
  EngineCounters,
  PlanOptions,
  Program,
  RunMemory,
  RunOptions,
} from './engine.ts';

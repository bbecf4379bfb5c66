// engine/onnx: graphs on ONNX Runtime, through its C API.
export { createOnnxEngine, type OnnxEngineOptions } from './engine.ts';
export { type OnnxExportOptions, writeOnnxModel } from './export.ts';
export { inspectOnnx, type OnnxDeviceReport, type OnnxReport } from './inspect.ts';
export { mapFile } from './mapped-file.ts';
export { endWithParent } from './parent-death.ts';

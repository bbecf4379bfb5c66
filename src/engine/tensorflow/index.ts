// engine/tensorflow: graphs on TensorFlow, through the binding of tfjs-node, in a worker.
export {
  createTensorflowEngine,
  type TensorflowDevice,
  type TensorflowEngine,
  type TensorflowEngineOptions,
  tensorflowDevices,
} from './engine.ts';
export { inspectTensorflow, type TensorflowReport } from './inspect.ts';

// Whether there is a TensorFlow to run on, which one, and what to do where there is none.
import { AppError } from '#base';
import { createTensorflowEngine } from './engine.ts';
import { findBinding } from './library.ts';

export interface TensorflowReport {
  readonly isUsable: boolean;
  /** The binding that was found. */
  readonly path?: string;
  /** Of TensorFlow. */
  readonly version?: string;
  /** As `--device` takes it. */
  readonly device?: string;
  /** Why it cannot be used, and what to do. */
  readonly problem?: string;
}

/** Looks for it and starts it once. */
export async function inspectTensorflow(environment: NodeJS.ProcessEnv = process.env): Promise<TensorflowReport> {
  const found = findBinding(environment);
  if ('problem' in found) return { isUsable: false, problem: `${found.problem} It is optional: onnx does all that it does.` };
  const { path } = found;
  try {
    const engine = await createTensorflowEngine({ environment });
    const { version, device } = engine;
    await engine.dispose();
    return { isUsable: true, path, version, device };
  } catch (error) {
    const { code, message } = AppError.from(error);
    return { isUsable: false, path, problem: message.replace(`[${code}] `, '') };
  }
}

// Drives the PyTorch side of the GPU benchmark, one question at a time.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface TorchReading {
  readonly seconds: number;
  readonly value: number;
  readonly peakBytes: number;
  /** Version. */
  readonly torch: string;
}

export interface TorchSide {
  /** One training step. */
  step(): Promise<TorchReading>;
  /** `steps` tokens a sequence behind prompts of `prompt` tokens; the prompts are not counted. */
  decode(batch: number, prompt: number, steps: number): Promise<TorchReading>;
  stop(): Promise<void>;
}

/** @param spec - as `peer.py` reads it. ATHANOR_BENCH_PYTHON names the Python. */
export function startTorch(spec: object): TorchSide {
  const script = fileURLToPath(new URL('./peer.py', import.meta.url));
  const child = spawn(process.env['ATHANOR_BENCH_PYTHON'] ?? 'python3', [script, JSON.stringify(spec)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const ask = async (line: string): Promise<TorchReading> => {
    child.stdin.write(`${line}\n`);
    const { value, done } = await lines.next();
    if (done === true) throw new Error('the PyTorch side ended; does ATHANOR_BENCH_PYTHON name a Python with torch?');
    return JSON.parse(value) as TorchReading;
  };
  return {
    step: () => ask('step'),
    decode: (batch, prompt, steps) => ask(`decode ${batch} ${prompt} ${steps}`),
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

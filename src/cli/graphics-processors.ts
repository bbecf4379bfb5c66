// NVIDIA's GPUs as their driver tells of them: names, memory, the driver's version.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface GraphicsProcessor {
  readonly name: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly driver: string;
}

const fields = ['name', 'memory.total', 'memory.free', 'driver_version'];

/** None where there is no driver. */
export async function graphicsProcessors(): Promise<readonly GraphicsProcessor[]> {
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', [`--query-gpu=${fields.join()}`, '--format=csv,noheader,nounits']);
    return parseGraphicsProcessors(stdout);
  } catch {
    return [];
  }
}

/** One line a GPU; memory in MiB. */
export function parseGraphicsProcessors(text: string): readonly GraphicsProcessor[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', total, free, driver = ''] = line.split(',').map((part) => part.trim());
    const [totalBytes, freeBytes] = [Number(total) * 2 ** 20, Number(free) * 2 ** 20];
    return name === '' || !Number.isFinite(totalBytes) || !Number.isFinite(freeBytes) ? [] : [{ name, totalBytes, freeBytes, driver }];
  });
}

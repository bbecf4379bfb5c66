// Counts the memory that an engine holds and the bytes that it moves.
import type { EngineCounters } from './engine.ts';

export class Counters {
  #bufferBytes = 0;
  #peakBufferBytes = 0;
  #buffers = 0;
  #hostToDeviceBytes = 0;
  #deviceToHostBytes = 0;
  #programs = 0;

  bufferMade(sizeBytes: number): void {
    this.#buffers++;
    this.#bufferBytes += sizeBytes;
    this.#peakBufferBytes = Math.max(this.#peakBufferBytes, this.#bufferBytes);
  }

  bufferFreed(sizeBytes: number): void {
    this.#buffers--;
    this.#bufferBytes -= sizeBytes;
  }

  movedToDevice(sizeBytes: number): void {
    this.#hostToDeviceBytes += sizeBytes;
  }

  movedToHost(sizeBytes: number): void {
    this.#deviceToHostBytes += sizeBytes;
  }

  programMade(): void {
    this.#programs++;
  }

  programFreed(): void {
    this.#programs--;
  }

  /** @param scratch - of the runtime, where it gives an account */
  snapshot(scratch: Pick<EngineCounters, 'scratchBytes' | 'peakScratchBytes'> = { scratchBytes: 0, peakScratchBytes: 0 }): EngineCounters {
    return {
      ...scratch,
      bufferBytes: this.#bufferBytes,
      peakBufferBytes: this.#peakBufferBytes,
      buffers: this.#buffers,
      programs: this.#programs,
      hostToDeviceBytes: this.#hostToDeviceBytes,
      deviceToHostBytes: this.#deviceToHostBytes,
    };
  }
}

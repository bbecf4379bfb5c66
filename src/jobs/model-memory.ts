// Which models leave memory so that another fits: least recently used first, never one that somebody uses. Pure.
import { AppError } from '#base';

/** A model in memory, or on its way there. */
export interface MemoryUser {
  readonly key: string;
  readonly bytes: number;
  /** Somebody uses it, or it is being loaded: it stays. */
  readonly isUsed: boolean;
  /** Larger is later. */
  readonly lastUsed: number;
}

export interface RoomRequest {
  /** For messages. */
  readonly name: string;
  readonly neededBytes: number;
  readonly budgetBytes: number;
  readonly users: readonly MemoryUser[];
}

/**
 * The models to unload, in order; none where there is room.
 *
 * @throws AppError `insufficient_memory` when unloading all that may go would not do
 */
export function makeRoom({ name, neededBytes, budgetBytes, users }: RoomRequest): readonly string[] {
  const usedBytes = users.filter(({ isUsed }) => isUsed).reduce((sum, { bytes }) => sum + bytes, 0);
  if (neededBytes > budgetBytes)
    throw new AppError(
      'insufficient_memory',
      `model "${name}": needs ${print(neededBytes)}, and all models together may take ${print(budgetBytes)}. Give models at least ${print(neededBytes)}, or compress this one.`,
      { details: { neededBytes, budgetBytes } },
    );
  if (usedBytes + neededBytes > budgetBytes)
    throw new AppError(
      'insufficient_memory',
      `model "${name}": needs ${print(neededBytes)}, but models in use take ${print(usedBytes)} of ${print(budgetBytes)}. Wait until they are not, or give models at least ${print(usedBytes + neededBytes)}.`,
      { details: { neededBytes, usedBytes, budgetBytes } },
    );
  const idle = users.filter(({ isUsed }) => !isUsed).sort((a, b) => a.lastUsed - b.lastUsed);
  let total = usedBytes + neededBytes + idle.reduce((sum, { bytes }) => sum + bytes, 0);
  const leaving: string[] = [];
  for (const { key, bytes } of idle) {
    if (total <= budgetBytes) break;
    leaving.push(key);
    total -= bytes;
  }
  return leaving;
}

function print(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}

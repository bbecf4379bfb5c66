// Which files of the server jobs may name: those below certain folders, wherever links lead, and nothing that is neither a file nor a folder.
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { AppError } from '#base';

export class PathPolicy {
  readonly #folders: readonly string[] | undefined;

  /** @param folders - that paths must lie in, with all that is below them; undefined allows all that the process may reach */
  constructor(folders: readonly string[] | undefined) {
    this.#folders = folders;
  }

  /**
   * Looks at where a path really leads. It may not exist yet, as the folder of an export does not: then its nearest parent counts.
   *
   * @throws AppError `file_not_allowed` | `invalid_argument` for a path with a zero byte
   */
  async check(path: string): Promise<void> {
    if (path.includes('\0')) throw new AppError('invalid_argument', `path ${JSON.stringify(path.slice(0, 200))}: holds a zero byte.`);
    const real = await whereItLeads(resolve(path));
    const found = await stat(real).catch(() => undefined);
    if (found !== undefined && !found.isFile() && !found.isDirectory())
      throw new AppError('file_not_allowed', `${path}: is neither a file nor a folder. Name an ordinary file.`, { details: { path } });
    if (this.#folders === undefined) return;
    for (const folder of this.#folders) {
      const root = await whereItLeads(resolve(folder));
      if (real === root || real.startsWith(root.endsWith(sep) ? root : root + sep)) return;
    }
    throw new AppError(
      'file_not_allowed',
      `${path}: lies outside the folders that jobs of this server may name. Put the file into one of them, or start the server with --data-folder.`,
      { details: { path } },
    );
  }
}

/** The path without links, as far as it exists. */
async function whereItLeads(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(await whereItLeads(parent), basename(path));
  }
}

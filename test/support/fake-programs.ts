// Programs of the system replaced by scripts, for the scripts of `deploy`: no network, and machines that lack something.
import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './temporary.ts';

export interface Ended {
  readonly status: number | null;
  /** To both streams. */
  readonly said: string;
}

export function runScript(script: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Ended {
  const { status, stdout, stderr } = spawnSync(script, args, { encoding: 'utf8', env: { ...process.env, ...environment } });
  return { status, said: `${stdout}${stderr}` };
}

/** A folder for PATH in which programs are replaced by scripts. */
export function fakePrograms(scripts: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder();
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), `#!/bin/bash\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return folder;
}

/** The real program behind one that is replaced. */
export const realProgram = (name: string): string => spawnSync('bash', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();

export const inFront = (folder: string): Readonly<Record<string, string>> => ({ PATH: `${folder}:${process.env['PATH']}` });

/** A `python3` whose `pip download` gives one wheel that is made of these files. */
export function withWheel(wheel: string, files: Readonly<Record<string, string>>): string {
  const make = [
    'import sys, zipfile',
    `with zipfile.ZipFile(sys.argv[1] + "/${wheel}", "w") as wheel:`,
    '    pass',
    ...Object.entries(files).map(([name, text]) => `    wheel.writestr(${JSON.stringify(name)}, ${JSON.stringify(text)})`),
  ].join('\n');
  const python = realProgram('python3');
  return fakePrograms({
    python3: `
if [[ $1 == -m && $3 == download ]]; then
  while [[ $1 != --dest ]]; do shift; done
  mkdir -p "$2" && exec ${python} - "$2" << 'MAKE'
${make}
MAKE
fi
exec ${python} "$@"`,
  });
}

// Completes package-lock.json with the platform packages npm left out because the machine that wrote it could not see them.
//
// npm drops the optional packages of other platforms when it writes a lock file beside an installed tree or through a registry that
// holds only some of them; `npm ci` then refuses that lock file. What is added has no checksum, so it is fetched and installed only
// where its platform needs it. Run with `npm run lock` after every change of dependencies.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface LockFile {
  packages: Record<string, LockedPackage | Record<string, unknown>>;
}

const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const processors = ['arm64', 'arm', 'armv7', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];

/** What a platform package's name says about where it runs: `@scope/cli-linux-x64-musl` -> linux, x64, musl. */
function platformOf(name: string): { os: string[]; cpu: string[]; libc: { libc?: string[] } } {
  const parts = name.split(/[-/]/);
  const os = parts.filter((part) => systems.includes(part));
  const cpu = parts.filter((part) => processors.includes(part)).map((part) => (part === 'armv7' ? 'arm' : part));
  const libc =
    parts.includes('musl') || parts.includes('musleabihf')
      ? ['musl']
      : parts.includes('gnu') || parts.includes('gnueabihf')
        ? ['glibc']
        : [];
  if (os.length !== 1 || cpu.length !== 1)
    throw new Error(`package-lock.json: cannot tell the platform of ${name} from its name; add it by hand.`);
  return { os, cpu, libc: libc.length > 0 ? { libc } : {} };
}

const path = resolve(import.meta.dirname, '../../package-lock.json');
const lock: LockFile = JSON.parse(readFileSync(path, 'utf8'));
const added: string[] = [];
for (const [folder, entry] of Object.entries(lock.packages) as [string, LockedPackage][]) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const places = [`${folder}/node_modules/${name}`, `node_modules/${name}`];
    if (places.some((place) => place in lock.packages)) continue;
    const { os, cpu, libc } = platformOf(name);
    // The order in which npm itself writes the fields.
    lock.packages[`node_modules/${name}`] = { version, cpu, ...(entry.dev ? { dev: true } : {}), ...libc, optional: true, os };
    added.push(`${name}@${version}`);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([left], [right]) => (left < right ? -1 : 1)));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added.length} platform packages added\n${added.map((name) => `  ${name}\n`).join('')}`);

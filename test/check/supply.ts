// What the program is made of: exact versions with digests, no install scripts, licences that go together, and no known holes.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';

const root = resolve(import.meta.dirname, '../..');

const packageSchema = z.object({
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
  peerDependencies: z.record(z.string(), z.string()),
});

const billSchema = z.object({
  components: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      hashes: z.array(z.object({ alg: z.string(), content: z.string() })).optional(),
      licenses: z
        .array(
          z.object({
            expression: z.string().optional(),
            license: z.object({ id: z.string().optional(), name: z.string().optional() }).optional(),
          }),
        )
        .optional(),
    }),
  ),
});

const auditSchema = z.union([
  z.object({ auditReportVersion: z.number(), metadata: z.object({ vulnerabilities: z.record(z.string(), z.number()) }) }),
  z.object({ message: z.string() }),
]);

/** Licences that an Apache-2.0 program may ship beside its own. */
const allowedLicences = new Set(['MIT', 'Apache-2.0', 'BSD-3-Clause', 'BSD-2-Clause', 'ISC', '0BSD', '(MIT OR CC0-1.0)']);

function npm(...options: readonly string[]): unknown {
  const { stdout } = spawnSync('npm', options, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
  return JSON.parse(stdout);
}

const problems: string[] = [];

const { dependencies, devDependencies, peerDependencies } = packageSchema.parse(
  JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')),
);
for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...peerDependencies }))
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) problems.push(`package.json: ${name} "${version}" is no exact version`);

const { components } = billSchema.parse(npm('sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev', '--package-lock-only'));
const licences = new Map<string, number>();
for (const { name, version, hashes = [], licenses = [] } of components) {
  if (hashes.length === 0) problems.push(`${name}@${version}: the lock file has no digest of it`);
  const names = licenses.map(({ expression, license }) => expression ?? license?.id ?? license?.name ?? '');
  if (names.length === 0 || !names.every((licence) => allowedLicences.has(licence)))
    problems.push(`${name}@${version}: its licence is ${names.join(', ') || 'unknown'}`);
  for (const licence of names) licences.set(licence, (licences.get(licence) ?? 0) + 1);
}

const audit = auditSchema.parse(npm('audit', '--json', '--omit', 'dev'));
const holes =
  'metadata' in audit ? Object.entries(audit.metadata.vulnerabilities).filter(([kind, count]) => kind !== 'total' && count > 0) : [];
for (const [severity, count] of holes) problems.push(`npm audit: ${count} of severity ${severity}; run \`npm audit --omit dev\``);

const kinds = [...licences].sort((a, b) => b[1] - a[1]).map(([licence, count]) => `${count} ${licence}`);
process.stdout.write(`${components.length} packages are shipped: ${kinds.join(', ')}\n`);
if (!('metadata' in audit)) process.stdout.write('npm audit: this registry answers no such question\n');
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;

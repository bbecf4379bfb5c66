// Prints lines by folder and fails on what a reader would trip over: files too long, without a purpose in their first line, named
// after nothing, or naming one machine's folders.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, extname, join, relative, resolve } from 'node:path';

const maxLines = 600;
const root = resolve(import.meta.dirname, '../..');
const checkedFolders = ['src', 'test', 'clients', 'proto', 'deploy', '.ci'];
const codeExtensions = new Set(['.ts', '.js', '.cjs', '.mjs', '.proto', '.py', '.go']);
const textExtensions = new Set([...codeExtensions, '.md', '.json', '.yaml', '.yml', '.toml', '.sh', '.grit', '']);
// Generated code, installed packages and data are nobody's prose.
const passedOver = new Set(['node_modules', '.venv', '__pycache__', 'fixtures', 'gen', '_gen', 'build', 'dist', 'coverage']);
const emptyNames = /^(utils?|helpers?|common|misc)(\.|$)/i;
const machinePath = /(?<![\w.~*-])\/(work|opt|tmp|root|home)\//;
const openWork = /\b(TO[D]O|FIX[M]E)\b/;

function* filesBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!passedOver.has(entry.name) && !entry.name.endsWith('.egg-info')) yield* filesBelow(path);
    } else if (entry.isFile()) yield path;
  }
}

function rootFiles(): string[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== '.git' && entry.name !== 'package-lock.json' && entry.name !== 'LICENSE')
    .map((entry) => join(root, entry.name));
}

const faults: string[] = [];
const sizes: number[] = [];
const byFolder = new Map<string, { files: number; lines: number }>();

function checkFile(path: string): void {
  const extension = extname(path);
  if (!textExtensions.has(extension)) return;
  const name = relative(root, path);
  const lines = readFileSync(path, 'utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  lines.forEach((line, index) => {
    if (machinePath.test(line)) faults.push(`${name}:${index + 1}: names a folder of one machine`);
    if (codeExtensions.has(extension) && openWork.test(line))
      faults.push(`${name}:${index + 1}: leaves work open; finish it or leave it out`);
  });
  if (!codeExtensions.has(extension)) return;
  if (emptyNames.test(basename(path))) faults.push(`${name}: name the file after what it does`);
  if (lines.length > maxLines) faults.push(`${name}: ${lines.length} lines, more than ${maxLines}: split it`);
  if (['.ts', '.js', '.cjs', '.mjs', '.proto'].includes(extension)) {
    const first = lines[0]?.startsWith('#!') ? lines[1] : lines[0];
    if (!/^\/\/ \S/.test(first ?? '')) faults.push(`${name}: the first line must be a // comment that says what the file is for`);
  }
  if (extension !== '.ts') return;
  const parts = name.split(/[\\/]/);
  const folder = parts.slice(0, Math.min(2, parts.length - 1)).join('/') || '.';
  const { files, lines: total } = byFolder.get(folder) ?? { files: 0, lines: 0 };
  byFolder.set(folder, { files: files + 1, lines: total + lines.length });
  if (parts[0] === 'src') sizes.push(lines.length);
}

for (const folder of checkedFolders) for (const path of filesBelow(join(root, folder))) checkFile(path);
for (const path of rootFiles()) checkFile(path);

for (const [folder, { files, lines }] of [...byFolder].sort(([left], [right]) => left.localeCompare(right)))
  process.stdout.write(`${folder.padEnd(20)} ${String(files).padStart(4)} files ${String(lines).padStart(6)} lines\n`);
sizes.sort((left, right) => left - right);
process.stdout.write(`src: ${sizes.length} files, median ${sizes[sizes.length >> 1] ?? 0} lines, longest ${sizes.at(-1) ?? 0}\n`);
for (const fault of faults) process.stdout.write(`${fault}\n`);
process.exitCode = faults.length > 0 ? 1 : 0;

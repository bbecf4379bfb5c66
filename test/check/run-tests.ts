// `npm test`: the TypeScript tests, then those of the Python and the Go client, and one closing line that counts all.
import { type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { addCounts, parseCounts, parseGoTest, parseJunit, printCounts, type TestCounts } from '#test/counts';
import { outsideClients } from '#test/harness-environment';
import { linkedTensorflow } from '#test/linked-tensorflow';

const root = resolve(import.meta.dirname, '../..');
const oneFailure: TestCounts = { passed: 0, failed: 1, skipped: 0 };

/** Runs a command, shows its output as it comes (unless that is not for people) and returns it with the exit status. */
function run(
  command: string,
  args: readonly string[],
  { quiet = false, ...options }: SpawnOptions & { readonly quiet?: boolean } = {},
): Promise<{ status: number; output: string }> {
  return new Promise((done, failed) => {
    const child = spawn(command, args, { cwd: root, ...options, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (!quiet) process.stdout.write(text);
    });
    child.once('error', failed);
    child.once('close', (code) => done({ status: code ?? 1, output }));
  });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function testTypeScript(): Promise<TestCounts> {
  if (process.argv.length <= 2) {
    // Before the tests, which would wait for it together; they say themselves what they skip without it.
    say('Python packages of outside clients, and TensorFlow');
    await outsideClients();
    await linkedTensorflow();
  }
  say('TypeScript tests');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const { status, output } = await run(process.execPath, [vitest, 'run', ...process.argv.slice(2)]);
  const counts = parseCounts(output);
  if (counts === undefined) {
    say(`vitest ended with status ${status} and without counting its tests.`);
    return oneFailure;
  }
  // A non-zero status with no failed test is a fault of the run itself.
  return status !== 0 && counts.failed === 0 ? addCounts(counts, oneFailure) : counts;
}

/** The first Python of 3.11 or newer that can make virtual environments, or the reason why there is none. */
function findPython(): { readonly command: string } | { readonly reason: string } {
  const probe = 'import sys, venv, ensurepip; sys.exit(0 if sys.version_info >= (3, 11) else 3)';
  let reason = 'Python 3.11 or newer is not installed';
  for (const command of ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python']) {
    const { status } = spawnSync(command, ['-c', probe], { stdio: 'ignore' });
    if (status === 0) return { command };
    if (status === 1) reason = `${command} has no venv module (on Debian: apt install python3-venv)`;
  }
  return { reason };
}

async function testPython(): Promise<TestCounts> {
  say('\nPython client tests');
  const python = findPython();
  if ('reason' in python) {
    say(`skipped: clients/python: ${python.reason}`);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  const environment = join(root, '.venv');
  const interpreter = join(environment, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  const works = existsSync(interpreter) && spawnSync(interpreter, ['-m', 'pip', '--version'], { stdio: 'ignore' }).status === 0;
  if (!works && (await run(python.command, ['-m', 'venv', '--clear', environment])).status !== 0) return oneFailure;
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', './clients/python[test]'];
  if ((await run(interpreter, install)).status !== 0) {
    say('The Python client could not be installed.');
    return oneFailure;
  }
  const folder = mkdtempSync(join(tmpdir(), 'athanor-pytest-'));
  try {
    const report = join(folder, 'junit.xml');
    const pytest = ['-m', 'pytest', '-q', '-rs', '--junitxml', report];
    const { status } = await run(interpreter, pytest, { cwd: join(root, 'clients/python') });
    if (!existsSync(report)) return oneFailure;
    const counts = parseJunit(readFileSync(report, 'utf8'));
    return status !== 0 && counts.failed === 0 ? addCounts(counts, oneFailure) : counts;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Why the Go client cannot be tested here; undefined when it can. */
function whyNoGo(folder: string): string | undefined {
  const wanted = /^go (\d+)\.(\d+)/m.exec(readFileSync(join(folder, 'go.mod'), 'utf8'));
  const found = /^go(\d+)\.(\d+)/.exec(spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).stdout ?? '');
  if (wanted === null) return 'go.mod names no version of Go';
  const number = (version: RegExpExecArray): number => Number(version[1]) * 1000 + Number(version[2]);
  return found === null || number(found) < number(wanted) ? `Go ${wanted[1]}.${wanted[2]} or newer is not installed` : undefined;
}

async function testGo(): Promise<TestCounts> {
  say('\nGo client tests');
  const folder = join(root, 'clients/go');
  const reason = whyNoGo(folder);
  if (reason !== undefined) {
    say(`skipped: clients/go: ${reason}`);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  const checks: readonly (readonly [name: string, command: string, args: readonly string[], isGood: (output: string) => boolean])[] = [
    ['gofmt', 'gofmt', ['-l', '.'], (output) => output === ''],
    ['go vet', 'go', ['vet', './...'], () => true],
    ['generated code', './generate.sh', ['--check'], () => true],
  ];
  let counts: TestCounts = { passed: 0, failed: 0, skipped: 0 };
  for (const [name, command, args, isGood] of checks) {
    const { status, output } = await run(command, args, { cwd: folder });
    const good = status === 0 && isGood(output);
    if (!good) say(`failed: clients/go: ${name}`);
    counts = addCounts(counts, good ? { passed: 1, failed: 0, skipped: 0 } : oneFailure);
  }
  const { status, output } = await run('go', ['test', '-json', '-timeout', '20m', './...'], { cwd: folder, quiet: true });
  const tests = parseGoTest(output);
  say(tests.report.trimEnd());
  return addCounts(
    addCounts(counts, tests.counts),
    status !== 0 && tests.counts.failed === 0 ? oneFailure : { passed: 0, failed: 0, skipped: 0 },
  );
}

const typescript = await testTypeScript();
// Arguments choose TypeScript tests (`npm test -- test/unit/graph`): then only those run.
const total = process.argv.length > 2 ? typescript : [typescript, await testPython(), await testGo()].reduce(addCounts);
process.exitCode = total.failed > 0 ? 1 : 0;
say(`\n${printCounts(total)}`);

// The Python in which outside clients drive the server: lm-evaluation-harness, the openai package and our own client.
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { type PythonEnvironment, pythonEnvironment } from './python-environment.ts';

/** The harness's `api` extra needs neither torch nor transformers; the others are what our client needs, and what builds it. */
const requirements = [
  'lm_eval[api]==0.4.13',
  'openai==3.54.0',
  'hatchling==1.27.0',
  'grpcio>=1.85.1',
  'protobuf>=7.35.1',
  'pyyaml',
  'tqdm',
];

/** The environment with the outside clients alone. */
export function outsideClients(): Promise<PythonEnvironment> {
  return pythonEnvironment(requirements);
}

/** The same with our client as it is in this tree, start-up file included. For one test file: it installs the client anew. */
export async function harnessEnvironment(): Promise<PythonEnvironment> {
  const environment = await outsideClients();
  if ('missing' in environment) return environment;
  const install = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--no-deps',
    '--no-build-isolation',
    '--force-reinstall',
    '--disable-pip-version-check',
  ];
  await promisify(execFile)(environment.python, [...install, resolve(import.meta.dirname, '../../clients/python')]);
  return environment;
}

// Where the binding lies: linked by deploy/link-tensorflow, or in an installed package. And what to do where there is none.
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

const bindingFile = 'tfjs_binding.node';

/** That have the binding; the second one with CUDA. */
const packages = ['@tensorflow/tfjs-node', '@tensorflow/tfjs-node-gpu'];

/** What helps where it is missing or does not load. */
export const remedy =
  'Run `deploy/link-tensorflow` (with --gpu for NVIDIA GPUs), which builds it from published packages, or name the folder that it made in ATHANOR_TENSORFLOW.';

/** The path of the binding, or in words where there is none. */
export function findBinding(environment: NodeJS.ProcessEnv): { readonly path: string } | { readonly problem: string } {
  const folders = bindingFolders(environment);
  const path = folders.map((folder) => join(folder, bindingFile)).find((candidate) => existsSync(candidate));
  if (path !== undefined) return { path };
  return { problem: `TensorFlow is not linked: there is no ${bindingFile} in ${folders.join(', ')}. ${remedy}` };
}

/** Folders in which the binding is looked for, in this order. */
function bindingFolders(environment: NodeJS.ProcessEnv): readonly string[] {
  const named = environment['ATHANOR_TENSORFLOW'];
  // A folder that is named is meant: nothing else is taken in its place.
  if (named !== undefined && named !== '') return [named];
  const data = environment['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share');
  return [join(data, 'athanor', 'tensorflow'), ...packages.flatMap(packageFolders)];
}

/** Where a package that is installed beside athanor keeps its binding, a folder for each version of Node's interface. */
function packageFolders(name: string): readonly string[] {
  try {
    const library = join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'lib');
    return readdirSync(library).map((folder) => join(library, folder));
  } catch {
    return []; // it is not installed, or its install script did not run
  }
}

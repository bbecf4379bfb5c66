// A process that saves a model and kills itself on the way: `killed-writer.ts ROOT (bytes|renames) COUNT`.
import { LocalStore, localFileSystem } from '#store';
import { tinyLlama, tinyModel } from './models.ts';

const [root = '', what = '', count = '0'] = process.argv.slice(2);
let left = Number(count);

function spend(kind: string, amount: number): void {
  if (kind !== what) return;
  left -= amount;
  if (left < 0) process.kill(process.pid, 'SIGKILL');
}

const store = await LocalStore.open(root, {
  fileSystem: {
    ...localFileSystem,
    async createFile(path) {
      const file = await localFileSystem.createFile(path);
      return {
        ...file,
        async write(bytes) {
          if (what === 'bytes' && bytes.length > left) await file.write(bytes.subarray(0, left));
          spend('bytes', bytes.length);
          await file.write(bytes);
        },
      };
    },
    async rename(from, to) {
      spend('renames', 1);
      await localFileSystem.rename(from, to);
    },
  },
});
await store.saveArtefact('m', { model: tinyModel(tinyLlama), tokenizerFiles: new Map(), generation: {}, meta: {} });

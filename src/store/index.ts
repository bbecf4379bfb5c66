// store: safetensors, Hugging Face folders, and artefacts in a local folder.
export type { ArtefactContent, ArtefactMeta, ArtefactParent } from './artefact.ts';
export {
  LocalStore,
  type LocalStoreOptions,
  type Reservation,
  readArtefactFolder,
  type SaveOptions,
  type StoredArtefact,
  type StoreListing,
} from './artefact-store.ts';
export { type CTranslate2Model, importCTranslate2 } from './ctranslate2/import.ts';
export { type FileSystem, localFileSystem, type WritableFile } from './file-system.ts';
export { FolderWriter, renameDurably, writeFailure, writeFolder } from './folder-writer.ts';
export { readHuggingFaceConfig, writeHuggingFaceConfig } from './hugging-face/config.ts';
export { type ExportOptions, exportHuggingFace } from './hugging-face/export.ts';
export type { GenerationDefaults } from './hugging-face/generation.ts';
export { type ImportedModel, type ImportOptions, importHuggingFace } from './hugging-face/import.ts';
export type { TokenizerFiles } from './hugging-face/tokenizer-files.ts';
export type { JsonObject, JsonValue } from './json.ts';
export { type FileLock, tryLock } from './lock.ts';
export { digestOf } from './manifest.ts';
export { type ArtefactVersion, checkName, parseReference, type Reference } from './names.ts';
export {
  type MapBytes,
  readSafetensors,
  type SafetensorsContent,
  SafetensorsReader,
  type TensorSource,
  tensorSource,
  writeSafetensors,
} from './safetensors.ts';
export type { SafetensorsEntry, SafetensorsHeader } from './safetensors-header.ts';

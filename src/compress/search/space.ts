// What a search tries where it is given no candidates: the methods of the catalogue alone and composed, each at many sizes.
import { at } from '#base';
import { type Model, parameterCounts, parameterSpecs, sharedOwner } from '#models';
import { sizeOf, tensorBytes } from '#tensor';
import type { SearchSettings } from './settings.ts';

/** One recipe of a family. */
export interface Level {
  /** For people; unique in the space. */
  readonly name: string;
  readonly steps: readonly unknown[];
  /** Stored bytes that the model will have, about; undefined where nobody knows. */
  readonly expectedBytes?: number;
}

/** Recipes that differ in their size alone. */
export interface Family {
  readonly name: string;
  /** From the largest model to the smallest. */
  readonly levels: readonly Level[];
}

/** Bytes of a model by what steps touch. */
interface Sizes {
  readonly total: number;
  /** Matrices inside the blocks. */
  readonly blockBytes: number;
  readonly blockElements: number;
  /** Tables over the vocabulary that are stored as numbers of their own. */
  readonly tables: readonly string[];
  readonly tableBytes: number;
  readonly tableElements: number;
}

const ratios = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1];
const groupSize = 32;

/** Of a number in groups of codes, with a 16-bit scale each and zero points below 8 bits. */
function codeBytes(bits: number): number {
  return (bits + (16 + (bits < 8 ? bits : 0)) / groupSize) / 8;
}

/** The families for this model, those first that usually lose least. */
export function ownSpace(model: Model): Family[] {
  const sizes = sizesOf(model);
  const { layers } = model.config;
  const lowRank = (ratio: number): unknown[] => [{ lowRank: { method: 'whitened', ratio, allocate: 'loss' } }];
  const slices = (ratio: number): unknown[] => [{ prune: { structure: 'heads', ratio } }, { prune: { structure: 'ffn', ratio } }];
  const kept = (removed: number): number => (layers - removed) / layers;
  return [
    {
      name: 'codes',
      levels: [8, 4, 3, 2].map((bits) => ({
        name: `${bits} bits`,
        steps: [blockCodes(bits)],
        expectedBytes: withBlocks(sizes, codeBytes(bits) * sizes.blockElements),
      })),
    },
    {
      name: 'codes, tables too',
      levels: [
        [8, 8],
        [4, 8],
        [4, 4],
        [3, 4],
        [2, 4],
        [2, 2],
      ].map(([bits = 8, tableBits = 8]) => ({
        name: `${bits} bits, tables ${tableBits} bits`,
        steps: [blockCodes(bits), ...tableCodes(sizes, tableBits)],
        expectedBytes: withBlocks(sizes, codeBytes(bits) * sizes.blockElements) - savedTableBytes(sizes, tableBits),
      })),
    },
    ...atRatios('low rank', sizes, lowRank),
    ...atRatios('sparse', sizes, (ratio) => [{ prune: { method: 'sparsegpt', ratio } }], [undefined]),
    ...atRatios('fewer heads and neurons', sizes, slices),
    {
      name: 'fewer layers, 8 bits',
      levels: Array.from({ length: Math.max(0, layers - 1) }, (_, index) => ({
        name: `${layers - index - 1} of ${layers} layers, 8 bits`,
        steps: [{ prune: { structure: 'layers', ratio: kept(index + 1) } }, blockCodes(8), ...tableCodes(sizes, 8)],
        expectedBytes: withBlocks(sizes, kept(index + 1) * codeBytes(8) * sizes.blockElements) - savedTableBytes(sizes, 8),
      })),
    },
  ].filter(({ levels }) => levels.length > 0);
}

/** As numbers, in 8 bits and in 4, with the tables in 8. */
function atRatios(
  name: string,
  sizes: Sizes,
  steps: (ratio: number) => readonly unknown[],
  widths: readonly (number | undefined)[] = [undefined, 8, 4],
): Family[] {
  return widths.map((bits): Family => {
    const suffix = bits === undefined ? '' : `, ${bits} bits`;
    const perElement = bits === undefined ? sizes.blockBytes / Math.max(1, sizes.blockElements) : codeBytes(bits);
    return {
      name: `${name}${suffix}`,
      levels: ratios.map((ratio) => ({
        name: `${name} ${Math.round(100 * ratio)} %${suffix}`,
        steps: [...steps(ratio), ...(bits === undefined ? [] : [blockCodes(bits), ...tableCodes(sizes, 8)])],
        expectedBytes: withBlocks(sizes, ratio * perElement * sizes.blockElements) - (bits === undefined ? 0 : savedTableBytes(sizes, 8)),
      })),
    };
  });
}

/** One family a candidate. */
export function givenSpace(candidates: NonNullable<SearchSettings['candidates']>): Family[] {
  const names = candidates.map(({ name, steps }) => name ?? stepNames(steps));
  return candidates.map(({ steps }, index) => {
    const wanted = at(names, index);
    const name = names.indexOf(wanted) === names.lastIndexOf(wanted) ? wanted : `${wanted} (${index + 1})`;
    return { name, levels: [{ name, steps }] };
  });
}

function stepNames(steps: readonly unknown[]): string {
  return steps.flatMap((step) => Object.keys(step ?? {})).join(', ');
}

function blockCodes(bits: number): unknown {
  return { quantize: { bits, groupSize, ...(bits < 8 ? { method: 'gptq' } : {}) } };
}

function tableCodes({ tables }: Sizes, bits: number): unknown[] {
  return tables.length === 0 ? [] : [{ quantize: { bits, groupSize, include: tables } }];
}

function withBlocks({ total, blockBytes }: Sizes, bytes: number): number {
  return total - blockBytes + bytes;
}

function savedTableBytes({ tableBytes, tableElements }: Sizes, bits: number): number {
  return tableBytes - codeBytes(bits) * tableElements;
}

function sizesOf(model: Model): Sizes {
  const isStored = (path: string): boolean => {
    const parameter = model.parameters.get(path);
    return parameter !== undefined && sharedOwner(parameter) === undefined;
  };
  const specs = [...parameterSpecs(model).values()].filter(({ path }) => isStored(path));
  const inBlocks = specs.filter(({ role, block }) => role === 'linear' && block !== undefined);
  const overVocabulary = specs.filter(({ role, shape }) => role === 'embedding' && shape[0] === model.config.vocabularySize);
  const bytes = (paths: readonly { readonly path: string }[]): number =>
    paths.reduce(
      (sum, { path }) =>
        sum + Object.values(model.parameters.get(path)?.tensors ?? {}).reduce((all, tensor) => all + tensorBytes(tensor), 0),
      0,
    );
  const elements = (list: readonly { readonly shape: readonly number[] }[]): number =>
    list.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return {
    total: parameterCounts(model).storedBytes,
    blockBytes: bytes(inBlocks),
    blockElements: elements(inBlocks),
    tables: overVocabulary.map(({ path }) => path),
    tableBytes: bytes(overVocabulary),
    tableElements: elements(overVocabulary),
  };
}

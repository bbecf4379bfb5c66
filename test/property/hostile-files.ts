// Hostile variants of valid files: trees with strange values, deep nesting and huge counts, texts that JSON cannot hold, and broken bytes.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { at } from '#base';

/** Text that stands in a file as it is. */
class Raw {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Tree = null | boolean | number | string | Raw | Tree[] | Map<string, Tree>;

const nested = (depth: number, open: string, close: string): Raw => new Raw(`${open.repeat(depth)}0${close.repeat(depth)}`);

/** Values that no field expects. */
const strange: readonly (() => Tree)[] = [
  () => null,
  () => true,
  () => [],
  () => new Map(),
  ...[0, -1, 1.5, 1e308, 2 ** 31, 2 ** 32, 1e9, 50_000_000, 1 << 20].map((value) => () => value),
  ...['1e400', '-1e400', 'NaN', '.nan', '9007199254740993', '1e-400', '-0', '0x10', '"\\ud800"', '{"a":1,"a":2}', '[1,]', '&a [*a]'].map(
    (text) => () => new Raw(text),
  ),
  ...['', '\0', '../../etc/passwd', '/dev/zero', 'a\0b', '__proto__', 'constructor', 'toString', '(a+)+$', '(', '\ud800', '*'].map(
    (text) => () => text,
  ),
  () => 'x'.repeat(20_000),
  () => nested(300, '[', ']'),
  () => nested(20_000, '[', ']'),
  () => nested(20_000, '{"a":', '}'),
  () => new Array<Tree>(20_000).fill(1),
  () => new Map(Array.from({ length: 5_000 }, (_, index) => [`k${index}`, index])),
  () => new Map<string, Tree>([['__proto__', new Map<string, Tree>([['layers', 3]])]]),
];

const strangeKeys = ['__proto__', 'constructor', '', '../up', 'length', 'a\0b', 'steps', 'model', 'layers'];

function treeOf(value: unknown): Tree {
  if (Array.isArray(value)) return value.map(treeOf);
  if (typeof value === 'object' && value !== null) return new Map(Object.entries(value).map(([key, inner]) => [key, treeOf(inner)]));
  return value as Tree;
}

function print(tree: Tree): string {
  if (tree instanceof Raw) return tree.text;
  if (Array.isArray(tree)) return `[${tree.map(print).join(',')}]`;
  if (tree instanceof Map) return `{${[...tree].map(([key, inner]) => `${JSON.stringify(key)}:${print(inner)}`).join(',')}}`;
  return JSON.stringify(tree);
}

/** Everything in a tree that can be replaced: where it stands, and under which key. */
function places(tree: Tree, found: (readonly [Tree[] | Map<string, Tree>, number | string])[] = []): typeof found {
  const entries = Array.isArray(tree) ? tree.entries() : tree instanceof Map ? tree.entries() : [];
  for (const [key, inner] of entries) {
    found.push([tree as Tree[] | Map<string, Tree>, key]);
    places(inner, found);
  }
  return found;
}

interface Edit {
  readonly place: number;
  readonly what: number;
  readonly value: number;
}

/** Replaces, removes, repeats, renames or moves one value. */
function edit(tree: Tree, { place, what, value }: Edit): Tree {
  const known = places(tree);
  const chosen = known[place % Math.max(1, known.length)];
  const strangeValue = at(strange, value % strange.length)();
  if (chosen === undefined) return strangeValue;
  const [owner, key] = chosen;
  const old = owner instanceof Map ? owner.get(String(key)) : owner[Number(key)];
  const other = known[value % known.length];
  const otherValue =
    other === undefined ? strangeValue : other[0] instanceof Map ? other[0].get(String(other[1])) : other[0][Number(other[1])];
  const put = (replacement: Tree): void => {
    if (owner instanceof Map) owner.set(String(key), replacement);
    else owner[Number(key)] = replacement;
  };
  const rename = at(strangeKeys, value % strangeKeys.length);
  const edits: readonly (() => void)[] = [
    () => put(strangeValue),
    () => put(strangeValue),
    () => put(strangeValue),
    () => (owner instanceof Map ? owner.delete(String(key)) : owner.splice(Number(key), 1)),
    () => (owner instanceof Map ? owner.set(rename, old ?? null) : owner.push(...new Array<Tree>(3).fill(old ?? null))),
    // A value from elsewhere, as text so that no tree holds itself.
    () => put(new Raw(print(otherValue ?? null))),
  ];
  at(edits, what % edits.length)();
  return tree;
}

/** Cuts, flips, inserts or repeats bytes. */
function breakBytes(bytes: Buffer, { place, what, value }: Edit): Buffer {
  const index = place % Math.max(1, bytes.length);
  const [before, behind] = [bytes.subarray(0, index), bytes.subarray(index)];
  const flipped = Buffer.from(bytes);
  if (flipped.length > 0) flipped[index] = (flipped[index] ?? 0) ^ (1 << (value % 8));
  const repeated = Buffer.concat(new Array<Buffer>(1 + (value % 40)).fill(behind.subarray(0, 1 + (value % 64))));
  const variants = [
    before,
    flipped,
    Buffer.concat([before, Buffer.from([value % 256]), behind]),
    Buffer.concat([before, repeated, behind]),
  ];
  return at(variants, what % variants.length);
}

const anyEdit: fc.Arbitrary<Edit> = fc.record({ place: fc.nat(100_000), what: fc.nat(1000), value: fc.nat(100_000) });

/** A file of the corpus. */
export interface CorpusFile {
  readonly name: string;
  readonly bytes: Buffer;
}

export function corpus(kind: string): CorpusFile[] {
  const folder = join(import.meta.dirname, 'corpus', kind);
  return readdirSync(folder)
    .sort()
    .map((name) => ({ name, bytes: readFileSync(join(folder, name)) }));
}

/** How the text of a file becomes the file, and which part of a file is text. */
export interface Framing {
  /** Undefined where a file of the corpus has no tree, so that only its bytes are broken. */
  parse(bytes: Buffer): unknown;
  frame(text: string): Buffer;
}

/** A hostile file: a file of the corpus with changes to its tree, or to its bytes. */
export function hostileFile(files: readonly CorpusFile[], { parse, frame }: Framing): fc.Arbitrary<Buffer> {
  return fc
    .record({
      file: fc.nat(1000),
      edits: fc.array(anyEdit, { maxLength: 4 }),
      breaks: fc.array(anyEdit, { maxLength: 2 }),
    })
    .map(({ file, edits, breaks }) => {
      const { bytes } = at(files, file % files.length);
      const parsed = edits.length === 0 ? undefined : parse(bytes);
      const edited = parsed === undefined ? bytes : frame(print(edits.reduce(edit, treeOf(parsed))));
      return breaks.reduce(breakBytes, edited);
    });
}

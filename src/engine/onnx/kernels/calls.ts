// What functions in machine code have in common: registers by the System V calling convention, constants, and sums across lanes.
import { cacheLineBytes } from '../native-memory.ts';
import { type Assembler, type General, Label, type Memory, memory, type Vector } from './assembler.ts';

/** Registers that a function gives back as it got them. */
const calleeSaved: readonly General[] = ['rbx', 'rbp', 'r12', 'r13', 'r14', 'r15'];

/** A function whose body may use every register. `frameBytes` of stack, aligned to 16, lie at rsp. */
export function withSavedRegisters(a: Assembler, body: () => void, frameBytes = 0): void {
  for (const register of calleeSaved) a.push(register);
  // Six registers and the return address are seven words.
  const frame = Math.ceil(frameBytes / 16) * 16 + 8;
  a.arithmetic('subtract', 'rsp', frame);
  body();
  a.arithmetic('add', 'rsp', frame);
  for (const register of calleeSaved.toReversed()) a.pop(register);
  a.return();
}

/** All lanes become the sum, the smallest or the largest of all. */
export function emitAcrossLanes(
  a: Assembler,
  operation: 'addFloats' | 'minFloats' | 'maxFloats' | 'addIntegers',
  value: Vector,
  other: Vector,
): void {
  for (const [shuffle, order] of [
    ['shuffleParts', 0x4e],
    ['shuffleParts', 0xb1],
    ['shuffleLanes', 0x4e],
    ['shuffleLanes', 0xb1],
  ] as const) {
    a[shuffle](other, value, order);
    a.vector(operation, value, value, other);
  }
}

/** The same 32 bits in every lane; through the word on top of the stack and rdx. */
export function emitConstant(a: Assembler, vector: Vector, bits: number): void {
  a.constant('rdx', bits >>> 0);
  a.writeShort(memory('rsp'), 'rdx');
  a.fill('broadcast', vector, memory('rsp'));
}

/** As many ones as rcx says, fewer than 64. */
export function emitLowBits(a: Assembler, to: General): void {
  a.constant(to, 1);
  a.shiftLeftByCount(to);
  a.arithmetic('subtract', to, 1);
}

export function floatBits(value: number): number {
  return new Int32Array(Float32Array.of(value).buffer)[0] ?? 0;
}

/** Where all numbers are zero any scale will do, but no division by zero. */
export const smallestScale = 1e-30;

export function emitInverse(a: Assembler, inverse: Vector, of: Vector): void {
  emitConstant(a, inverse, floatBits(1));
  a.vector('divideFloats', inverse, inverse, of);
}

/** What a tile asks for ahead of time: weights of the block that it reads for the first time, or of the one behind, since this one is near already. */
export type Ahead = 'stream' | 'next block';

/** Goes through the rows that rbp counts: whole tiles, then what is left as one. `emitTile` takes off its rows from rbp. */
export function emitRowsOfTiles(a: Assembler, tileRows: number, emitTile: (rows: number, ahead: Ahead) => void): void {
  const [rest, done] = [new Label(), new Label()];
  a.arithmetic('compare', 'rbp', tileRows);
  a.jumpIf('less', rest);
  emitTile(tileRows, 'stream');
  const tiles = a.here();
  a.arithmetic('compare', 'rbp', tileRows);
  a.jumpIf('less', rest);
  emitTile(tileRows, 'next block');
  a.jump(tiles);
  a.bind(rest);
  for (let rows = tileRows - 1; rows >= 1; rows--) {
    const fewer = new Label();
    a.arithmetic('compare', 'rbp', rows);
    a.jumpIf('notEqual', fewer);
    emitTile(rows, 'stream');
    a.jump(done);
    a.bind(fewer);
  }
  a.bind(done);
}

/** The codes of a row of a tile: rows 0 … 3 lie behind rax and 4 … 7 behind r10; r8 is the distance between rows, and r9 three times as much. */
export function rowOf(row: number, displacement: number): Memory {
  const base = row < 4 ? 'rax' : 'r10';
  const within = row % 4;
  if (within === 0) return memory(base, displacement);
  return within === 3 ? memory(base, displacement, 'r9') : memory(base, displacement, 'r8', within === 2 ? 2 : 1);
}

/** The place on the stack of a task for the distance to what is asked for ahead of time, in bytes. */
export const aheadAt = 8;

/**
 * rdx: the distance to the next block's weights, of which this tile asks for half. The second tile that comes here asks for the other half; what those
 * after it ask for has mostly come. Overwrites rax.
 */
export function emitAhead(a: Assembler, turnBytes: number): void {
  a.read('rdx', memory('rsp', aheadAt));
  a.address('rax', memory('rdx', turnBytes / 2));
  a.write(memory('rsp', aheadAt), 'rax');
}

/** Asks for half of a turn's weights, rdx behind those at rcx. */
export function emitHalfOfNext(a: Assembler, turnBytes: number): void {
  for (let at = 0; at < turnBytes / 2; at += cacheLineBytes) a.prefetch(memory('rcx', at, 'rdx'));
}

/** What the last numbers of a row are loaded with. */
export interface Remainder {
  readonly mask?: number;
  readonly zero?: boolean;
}

/**
 * Goes through `count` numbers at rax, sixteen at a time, and through their codes. The last are loaded under mask 1, with zeros behind. Overwrites rcx and rdx.
 *
 * @param body - sixteen numbers; keeps the three registers
 */
export function emitSixteens(a: Assembler, count: General, codes: General, body: (remainder: Remainder) => void): void {
  const [rest, done] = [new Label(), new Label()];
  const next = a.here();
  a.arithmetic('compare', count, 16);
  a.jumpIf('less', rest);
  body({});
  a.arithmetic('add', 'rax', 64);
  a.arithmetic('add', codes, 16);
  a.arithmetic('subtract', count, 16);
  a.jump(next);
  a.bind(rest);
  a.arithmetic('compare', count, 0);
  a.jumpIf('equal', done);
  a.move('rcx', count);
  emitLowBits(a, 'rdx');
  a.setMask(1, 'rdx');
  body({ mask: 1, zero: true });
  a.bind(done);
}

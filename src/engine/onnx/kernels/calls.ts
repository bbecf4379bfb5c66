// What functions in machine code have in common: registers by the System V calling convention, constants, and sums across lanes.
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

export function floatBits(value: number): number {
  return new Int32Array(Float32Array.of(value).buffer)[0] ?? 0;
}

/** Where all numbers are zero any scale will do, but no division by zero. */
export const smallestScale = 1e-30;

export function emitInverse(a: Assembler, inverse: Vector, of: Vector): void {
  emitConstant(a, inverse, floatBits(1));
  a.vector('divideFloats', inverse, inverse, of);
}

/** Goes through the rows that rbp counts: whole tiles, then what is left as one. `emitTile` takes off its rows from rbp. */
export function emitRowsOfTiles(a: Assembler, tileRows: number, emitTile: (rows: number) => void): void {
  const [rest, done] = [new Label(), new Label()];
  const tiles = a.here();
  a.arithmetic('compare', 'rbp', tileRows);
  a.jumpIf('less', rest);
  emitTile(tileRows);
  a.jump(tiles);
  a.bind(rest);
  for (let rows = tileRows - 1; rows >= 1; rows--) {
    const fewer = new Label();
    a.arithmetic('compare', 'rbp', rows);
    a.jumpIf('notEqual', fewer);
    emitTile(rows);
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

// Machine code for products with weights of 4 or 8 bits in groups, each with a scale and a zero point of its own; activations have a scale a group too.
import { type Assembler, memory, type Vector } from './assembler.ts';
import { type Ahead, aheadAt, emitAhead, emitConstant, emitHalfOfNext, emitRowsOfTiles, rowOf, withSavedRegisters } from './calls.ts';
import { blockColumns, emitColumnMasks, prefetchBytes, tileRows, vectors } from './int8-product.ts';

/** What a task reads, in words of eight bytes. */
export const groupedArguments = { codes: 0, facts: 1, weights: 2, bias: 3, sizes: 4, y: 5, numRows: 6 } as const;
/** The operand that says sizes: int64, in this order. */
export const groupedSizes = { columns: 0, codeBytes: 1, factBytes: 2, groups: 3, turns: 4, blockBytes: 5, numBlocks: 6 } as const;
/** What is known of each group of a row of codes: its scale, and minus the sum of its codes. */
export const groupFacts = { scale: 0, negatedSum: 4 } as const;
export const groupFactBytes = 8;

/** Numbers of the inner axis that one turn of the innermost loop takes: groups are whole turns. */
export const turnNumbers = 16;
/** In front of a group's weights: a scale for each column, float32, then a zero point for each, uint8; padded to cache lines. */
export const groupHeader = { scales: 0, zeroPoints: 4 * blockColumns, bytes: 4 * blockColumns + 64 } as const;
/** Weights of four rows of the inner axis and sixteen columns. */
const vectorBytes = 64;

export type GroupedBits = 4 | 8;
/** Bytes of the weights of a turn in a block. */
export function turnBytes(bits: GroupedBits): number {
  return (turnNumbers * blockColumns * bits) / 8;
}

const frame = { scratch: 0, ahead: aheadAt, bias: 16, groups: 24, factBytes: 32, resultBytes: 40, sums: 64 } as const;
const frameBytes = frame.sums + tileRows * vectors * 64;

const factors: readonly Vector[] = [24, 25, 26];
const spread: readonly Vector[] = [27, 28, 29, 30];
const lowHalves: Vector = 31;

/** `void task(arguments, block)`: all rows by one block of columns. */
export function emitGroupedTask(a: Assembler, bits: GroupedBits): void {
  const body = (): void => {
    a.move('rbx', 'rdi');
    a.read('r11', memory('rbx', 8 * groupedArguments.sizes));
    a.read('r12', memory('r11', 8 * groupedSizes.blockBytes));
    a.multiply('r12', 'rsi');
    a.arithmeticWith('add', 'r12', memory('rbx', 8 * groupedArguments.weights));
    a.multiplyBy('rsi', blockColumns);
    a.read('rdx', memory('r11', 8 * groupedSizes.columns));
    a.address('rdi', memory('rdx', 0, 'rdx', 1));
    a.arithmetic('add', 'rdi', 'rdi');
    a.write(memory('rsp', frame.resultBytes), 'rdi');
    a.arithmetic('subtract', 'rdx', 'rsi');
    emitColumnMasks(a);
    a.read('r13', memory('rbx', 8 * groupedArguments.y));
    a.address('r13', memory('r13', 0, 'rsi', 4));
    a.read('rax', memory('rbx', 8 * groupedArguments.bias));
    a.address('rax', memory('rax', 0, 'rsi', 4));
    a.write(memory('rsp', frame.bias), 'rax');
    a.read('rax', memory('r11', 8 * groupedSizes.factBytes));
    a.write(memory('rsp', frame.factBytes), 'rax');
    a.read('rax', memory('r11', 8 * groupedSizes.blockBytes));
    a.write(memory('rsp', frame.ahead), 'rax');
    a.read('r14', memory('rbx', 8 * groupedArguments.codes));
    a.read('r15', memory('rbx', 8 * groupedArguments.facts));
    a.read('rbp', memory('rbx', 8 * groupedArguments.numRows));
    a.read('r8', memory('r11', 8 * groupedSizes.codeBytes));
    a.address('r9', memory('r8', 0, 'r8', 2));
    emitConstant(a, lowHalves, 0x0f0f0f0f);
    emitRowsOfTiles(a, tileRows, (rows, ahead) => emitTile(a, bits, rows, ahead));
  };
  withSavedRegisters(a, body, frameBytes);
}

const sumOf = (row: number, j: number): Vector => row * vectors + j;
const placeOf = (row: number, j: number) => memory('rsp', frame.sums + sumOf(row, j) * 64);

/** `rows` rows at r14 by the block at r12, to r13; moves on to the rows behind. */
function emitTile(a: Assembler, bits: GroupedBits, rows: number, ahead: Ahead): void {
  a.read('rax', memory('rsp', frame.bias));
  for (let j = 0; j < vectors; j++) {
    a.fill('load', 0, memory('rax', 64 * j));
    for (let row = 0; row < rows; row++) a.save('store', placeOf(row, j), 0);
  }
  if (ahead === 'next block') emitAhead(a, turnBytes(bits));
  a.move('rax', 'r14');
  if (rows > 4) a.address('r10', memory('r14', 0, 'r8', 4));
  a.move('rcx', 'r12');
  a.move('rdi', 'r15');
  a.read('r11', memory('rbx', 8 * groupedArguments.sizes));
  a.read('r11', memory('r11', 8 * groupedSizes.groups));
  a.write(memory('rsp', frame.groups), 'r11');
  const group = a.here();
  a.move('rsi', 'rcx');
  emitZeroPoints(a, rows);
  a.arithmetic('add', 'rcx', groupHeader.bytes);
  a.read('r11', memory('rbx', 8 * groupedArguments.sizes));
  a.read('r11', memory('r11', 8 * groupedSizes.turns));
  if (ahead === 'next block') a.read('rdx', memory('rsp', aheadAt));
  const turn = a.here();
  emitTurn(a, bits, rows, ahead);
  a.arithmetic('subtract', 'r11', 1);
  a.jumpIf('notEqual', turn);
  emitScaled(a, rows);
  a.arithmetic('add', 'rdi', groupFactBytes);
  a.read('r11', memory('rsp', frame.groups));
  a.arithmetic('subtract', 'r11', 1);
  a.write(memory('rsp', frame.groups), 'r11');
  a.jumpIf('notEqual', group);

  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < vectors; j++) {
      a.fill('load', 0, placeOf(row, j));
      a.save('store', memory('r13', 64 * j), 0, j + 1);
    }
    a.arithmeticWith('add', 'r13', memory('rsp', frame.resultBytes));
    a.arithmeticWith('add', 'r15', memory('rsp', frame.factBytes));
    a.arithmetic('add', 'r14', 'r8');
  }
  a.arithmetic('subtract', 'rbp', rows);
}

/** Sums begin at minus the zero point times the sum of the codes. rsi: the group's header; rdi: what is known of the first row's group. */
function emitZeroPoints(a: Assembler, rows: number): void {
  for (const [j, factor] of factors.entries()) a.fill('bytesToIntegers', factor, memory('rsi', groupHeader.zeroPoints + 16 * j));
  a.move('rdx', 'rdi');
  for (let row = 0; row < rows; row++) {
    const negated = spread[row % spread.length] ?? 30;
    a.fill('broadcast', negated, memory('rdx', groupFacts.negatedSum));
    for (const [j, factor] of factors.entries()) a.vector('multiplyIntegers', sumOf(row, j), negated, factor);
    a.arithmeticWith('add', 'rdx', memory('rsp', frame.factBytes));
  }
}

/** Sixteen numbers of the inner axis. */
function emitTurn(a: Assembler, bits: GroupedBits, rows: number, ahead: Ahead): void {
  const bytes = turnBytes(bits);
  if (ahead === 'next block') emitHalfOfNext(a, bytes);
  else if (rows > 1) for (let at = 0; at < bytes; at += vectorBytes) a.prefetch(memory('rcx', prefetchBytes + at));
  for (let step = 0; step < turnNumbers / 4; step++) {
    for (const [j, factor] of factors.entries()) {
      if (bits === 8) {
        a.fill('load', factor, memory('rcx', (step * vectors + j) * vectorBytes));
        continue;
      }
      // Two steps share their bytes: the first has the low halves.
      const from = memory('rcx', (Math.floor(step / 2) * vectors + j) * vectorBytes);
      if (step % 2 === 0) a.vector('and', factor, lowHalves, from);
      else {
        a.shiftRight(factor, from, 4);
        a.vector('and', factor, factor, lowHalves);
      }
    }
    for (let row = 0; row < rows; row++) {
      const code = spread[(step * rows + row) % spread.length] ?? 30;
      a.fill('broadcast', code, rowOf(row, 4 * step));
      for (const [j, factor] of factors.entries()) a.vector('dotBytes', sumOf(row, j), factor, code);
    }
  }
  a.arithmetic('add', 'rcx', bytes);
  a.arithmetic('add', 'rax', turnNumbers);
  if (rows > 4) a.arithmetic('add', 'r10', turnNumbers);
}

/** The group's sums times both scales, to the results. */
function emitScaled(a: Assembler, rows: number): void {
  for (const [j, factor] of factors.entries()) a.fill('load', factor, memory('rsi', groupHeader.scales + 64 * j));
  a.move('rdx', 'rdi');
  const [scale, result] = [27, 28];
  for (let row = 0; row < rows; row++) {
    a.fill('broadcast', scale, memory('rdx', groupFacts.scale));
    for (const [j, factor] of factors.entries()) {
      const sum = sumOf(row, j);
      a.fill('integersToFloats', sum, sum);
      a.vector('multiplyFloats', sum, sum, scale);
      a.fill('load', result, placeOf(row, j));
      a.vector('multiplyAddFloats', result, sum, factor);
      a.save('store', placeOf(row, j), result);
    }
    a.arithmeticWith('add', 'rdx', memory('rsp', frame.factBytes));
  }
}

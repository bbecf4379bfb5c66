// Machine code for products with 8-bit weights: codes of activations by packed codes of weights, block of columns by block of columns.
import { type Assembler, Label, memory, type Vector } from './assembler.ts';
import { type Ahead, aheadAt, emitAhead, emitHalfOfNext, emitLowBits, emitRowsOfTiles, rowOf, withSavedRegisters } from './calls.ts';

/** Vectors of sixteen columns in a block of weights. */
export const vectors = 3;
export const blockColumns = 16 * vectors;
/** Rows of activations that are multiplied at once: as many sums as registers hold. */
export const tileRows = 8;
/** Groups of four weights of a column in one turn of the innermost loop. */
const unroll = 4;
/** How far ahead weights are asked for: while many rows are multiplied, the processor's own guesses come too late. */
export const prefetchBytes = 8192;
/** A row's inner size is padded to this. */
export const innerUnit = 4 * unroll;

/** What a task reads, in words of eight bytes. */
export const productArguments = { codes: 0, rows: 1, weights: 2, scales: 3, sums: 4, bias: 5, sizes: 6, y: 7, numRows: 8 } as const;
/** The operand that says sizes: int64, in this order. */
export const productSizes = { columns: 0, codeBytes: 1, turns: 2, blockBytes: 3, numBlocks: 4 } as const;
/** What is known of each row of codes, 32 bytes. */
export const rowFacts = { scale: 0, shift: 4, correction: 8, smallest: 16, largest: 20 } as const;
export const rowFactBytes = 32;

/** Bytes of the weights of a turn. */
const turnBytes = unroll * vectors * 64;
const frameBytes = 16;

const factors: readonly Vector[] = [24, 25, 26];
const spread: readonly Vector[] = [27, 28, 29, 30, 31];

/** `void task(arguments, block)`: all rows by one block of columns. */
export function emitProductTask(a: Assembler): void {
  const body = (): void => {
    a.move('rbx', 'rdi');
    a.read('r11', memory('rbx', 8 * productArguments.sizes));
    // The block's weights, and how far its columns are from the first.
    a.read('r12', memory('r11', 8 * productSizes.blockBytes));
    a.multiply('r12', 'rsi');
    a.arithmeticWith('add', 'r12', memory('rbx', 8 * productArguments.weights));
    a.constant('rdi', blockColumns);
    a.multiply('rdi', 'rsi');
    a.read('rdx', memory('r11', 8 * productSizes.columns));
    a.move('rsi', 'rdx');
    a.arithmetic('subtract', 'rdx', 'rdi');
    emitColumnMasks(a);
    a.address('rsi', memory('rsi', 0, 'rsi', 1)); // 2N
    a.arithmetic('add', 'rsi', 'rsi'); // 4N: bytes of a row of results
    a.arithmetic('add', 'rdi', 'rdi');
    a.arithmetic('add', 'rdi', 'rdi'); // bytes of the columns before
    a.read('r13', memory('rbx', 8 * productArguments.y));
    a.arithmetic('add', 'r13', 'rdi');
    a.read('r14', memory('rbx', 8 * productArguments.codes));
    a.read('r15', memory('rbx', 8 * productArguments.rows));
    a.read('rbp', memory('rbx', 8 * productArguments.numRows));
    a.read('r8', memory('r11', 8 * productSizes.codeBytes));
    a.address('r9', memory('r8', 0, 'r8', 2));

    a.read('rax', memory('r11', 8 * productSizes.blockBytes));
    a.write(memory('rsp', aheadAt), 'rax');
    emitRowsOfTiles(a, tileRows, (rows, ahead) => emitTile(a, rows, ahead));
  };
  withSavedRegisters(a, body, frameBytes);
}

/** Masks 1, 2, 3 for the vectors of a block. rdx: columns that are left, more than the block has or fewer; overwrites rax and rcx. */
export function emitColumnMasks(a: Assembler): void {
  for (let j = 0; j < vectors; j++) {
    const [some, done] = [new Label(), new Label()];
    a.constant('rax', 0xffff);
    a.arithmetic('compare', 'rdx', 16 * (j + 1));
    a.jumpIf('atLeast', done);
    a.move('rcx', 'rdx');
    a.arithmetic('subtract', 'rcx', 16 * j);
    a.jumpIf('greater', some);
    a.constant('rcx', 0);
    a.bind(some);
    emitLowBits(a, 'rax');
    a.bind(done);
    a.setMask(j + 1, 'rax');
  }
}

/** `rows` rows at r14 by the block at r12, to r13; moves on to the rows behind. */
function emitTile(a: Assembler, rows: number, ahead: Ahead): void {
  const sum = (row: number, j: number): Vector => row * vectors + j;
  for (let row = 0; row < rows; row++)
    for (let j = 0; j < vectors; j++) a.fill('broadcast', sum(row, j), memory('r15', row * rowFactBytes + rowFacts.correction));
  if (ahead === 'next block') emitAhead(a, turnBytes);
  a.move('rax', 'r14');
  a.move('rcx', 'r12');
  if (rows > 4) a.address('r10', memory('r14', 0, 'r8', 4));
  a.read('r11', memory('rbx', 8 * productArguments.sizes));
  a.read('r11', memory('r11', 8 * productSizes.turns));
  const turn = a.here();
  if (ahead === 'next block') emitHalfOfNext(a, turnBytes);
  for (let step = 0; step < unroll; step++) {
    if (rows > 1 && ahead === 'stream')
      for (const j of factors.keys()) a.prefetch(memory('rcx', prefetchBytes + (step * vectors + j) * 64));
    for (const [j, factor] of factors.entries()) a.fill('load', factor, memory('rcx', (step * vectors + j) * 64));
    for (let row = 0; row < rows; row++) {
      const code = spread[(step * rows + row) % spread.length] ?? 31;
      a.fill('broadcast', code, rowOf(row, 4 * step));
      for (const [j, factor] of factors.entries()) a.vector('dotBytes', sum(row, j), factor, code);
    }
  }
  a.arithmetic('add', 'rcx', turnBytes);
  a.arithmetic('add', 'rax', 4 * unroll);
  if (rows > 4) a.arithmetic('add', 'r10', 4 * unroll);
  a.arithmetic('subtract', 'r11', 1);
  a.jumpIf('notEqual', turn);

  // y = (sum + shift·column sum)·weight scale·row scale + bias
  a.read('rax', memory('rbx', 8 * productArguments.sums));
  a.read('rcx', memory('rbx', 8 * productArguments.scales));
  a.read('rdx', memory('rbx', 8 * productArguments.bias));
  const [shift, scale, moved] = [24, 25, 26];
  for (let row = 0; row < rows; row++) {
    a.fill('broadcast', shift, memory('r15', row * rowFactBytes + rowFacts.shift));
    a.fill('broadcast', scale, memory('r15', row * rowFactBytes + rowFacts.scale));
    for (let j = 0; j < vectors; j++) {
      const y = sum(row, j);
      a.vector('multiplyIntegers', moved, shift, memory('rax', 64 * j, 'rdi'));
      a.vector('addIntegers', y, y, moved);
      a.fill('integersToFloats', y, y);
      a.vector('multiplyFloats', y, y, memory('rcx', 64 * j, 'rdi'));
      a.vector('scaleAddFloats', y, scale, memory('rdx', 64 * j, 'rdi'));
      a.save('store', memory('r13', 64 * j), y, j + 1);
    }
    a.arithmetic('add', 'r13', 'rsi');
    a.arithmetic('add', 'r14', 'r8');
  }
  a.arithmetic('add', 'r15', rows * rowFactBytes);
  a.arithmetic('subtract', 'rbp', rows);
}

// Machine code that rounds rows of activations to 8-bit codes: the range of all rows, or a grid that is given.
import { type Assembler, Label, memory, type Vector } from './assembler.ts';
import {
  emitAcrossLanes,
  emitConstant,
  emitInverse,
  emitSixteens,
  floatBits,
  type Remainder,
  smallestScale,
  withSavedRegisters,
} from './calls.ts';
import { rowFactBytes, rowFacts } from './int8-product.ts';

/** What the tasks read, in words of eight bytes. The grid is worked out between them. */
export const roundingArguments = { x: 0, sizes: 1, codes: 2, rows: 3, numRows: 4, grid: 5, given: 8 } as const;
/** The operand that says sizes: int64, in this order. */
export const roundingSizes = { inner: 0, codeBytes: 1, factFloats: 2 } as const;
/** 32 bits each: the scale, one over it, what is added to a code of x so that it is signed, and the same with the other sign. */
const grid = { scale: 0, inverse: 4, zero: 8, shift: 12 } as const;
const gridAt = 8 * roundingArguments.grid;

const largestCode = 255;
const signedZero = 128;

/** `void task(arguments, row)`: the smallest and the largest number of a row and zero. */
export function emitRangeTask(a: Assembler): void {
  withSavedRegisters(a, () => {
    const [smallest, largest, x, other] = [0, 1, 2, 3];
    a.vector('xor', smallest, smallest, smallest);
    a.vector('xor', largest, largest, largest);
    emitRow(a, {}, (remainder) => {
      a.fill('load', x, memory('rax'), remainder);
      a.vector('minFloats', smallest, smallest, x);
      a.vector('maxFloats', largest, largest, x);
    });
    emitAcrossLanes(a, 'minFloats', smallest, other);
    emitAcrossLanes(a, 'maxFloats', largest, other);
    a.save('storeFirst', memory('r15', rowFacts.smallest), smallest);
    a.save('storeFirst', memory('r15', rowFacts.largest), largest);
  });
}

/** `void task(arguments, row)`: the codes of a row on the grid, signed, and what products need to know of it. */
export function emitRoundingTask(a: Assembler): void {
  withSavedRegisters(a, () => {
    const [sum, inverse, zero, low, high, x, scale, shift] = [0, 1, 2, 3, 4, 5, 6, 7];
    const setUp = (): void => {
      a.fill('broadcast', inverse, memory('rbx', gridAt + grid.inverse));
      a.fill('broadcast', zero, memory('rbx', gridAt + grid.zero));
      a.fill('broadcast', scale, memory('rbx', gridAt + grid.scale));
      a.fill('broadcast', shift, memory('rbx', gridAt + grid.shift));
      emitConstant(a, low, -signedZero);
      emitConstant(a, high, largestCode - signedZero);
      a.vector('xor', sum, sum, sum);
    };
    emitRow(a, { setUp }, (remainder) => {
      a.fill('load', x, memory('rax'), remainder);
      a.vector('multiplyFloats', x, x, inverse);
      a.fill('floatsToIntegers', x, x);
      a.vector('addIntegers', x, x, zero);
      a.vector('maxIntegers', x, x, low);
      a.vector('minIntegers', x, x, high);
      a.vector('addIntegers', sum, sum, x);
      a.save('storeAsBytes', memory('r14'), x);
    });
    emitAcrossLanes(a, 'addIntegers', sum, x);
    // Weights are stored 128 above what they are, which adds 128 times the sum of the row to every product.
    a.vector('multiplyIntegers', sum, sum, low);
    a.save('storeFirst', memory('r15', rowFacts.scale), scale);
    a.save('storeFirst', memory('r15', rowFacts.shift), shift);
    a.save('storeFirst', memory('r15', rowFacts.correction), sum);
  });
}

/** rbx: arguments. The grid from the smallest to the largest number of all rows: ONNX's DynamicQuantizeLinear. */
export function emitGridOfRows(a: Assembler): void {
  const [smallest, largest, scale, limit] = [0, 1, 2, 3];
  a.vector('xor', smallest, smallest, smallest);
  a.vector('xor', largest, largest, largest);
  a.read('rax', memory('rbx', 8 * roundingArguments.rows));
  a.read('rcx', memory('rbx', 8 * roundingArguments.numRows));
  const done = new Label();
  const next = a.here();
  a.arithmetic('compare', 'rcx', 0);
  a.jumpIf('equal', done);
  a.vector('minFloats', smallest, smallest, memory('rax', rowFacts.smallest), { broadcast: true });
  a.vector('maxFloats', largest, largest, memory('rax', rowFacts.largest), { broadcast: true });
  a.arithmetic('add', 'rax', rowFactBytes);
  a.arithmetic('subtract', 'rcx', 1);
  a.jump(next);
  a.bind(done);
  a.vector('subtractFloats', scale, largest, smallest);
  emitConstant(a, limit, floatBits(largestCode));
  a.vector('divideFloats', scale, scale, limit);
  emitConstant(a, limit, floatBits(smallestScale));
  a.vector('maxFloats', scale, scale, limit);
  const [inverse, zero] = [4, 5];
  emitInverse(a, inverse, scale);
  a.vector('multiplyFloats', zero, smallest, inverse);
  a.fill('floatsToIntegers', zero, zero); // minus the zero point
  emitConstant(a, limit, -largestCode);
  a.vector('maxIntegers', zero, zero, limit);
  a.vector('xor', limit, limit, limit);
  a.vector('minIntegers', zero, zero, limit);
  emitSaveGrid(a, { scale, inverse, negatedZero: zero });
}

/** rbx: arguments. The grid that two operands say: a scale, and a zero point from 0 to 255. */
export function emitGivenGrid(a: Assembler): void {
  const [scale, inverse, zero] = [2, 4, 5];
  a.read('rax', memory('rbx', 8 * roundingArguments.given));
  a.fill('broadcast', scale, memory('rax'));
  emitInverse(a, inverse, scale);
  a.read('rax', memory('rbx', 8 * (roundingArguments.given + 1)));
  a.readByte('rcx', memory('rax'));
  a.constant('rax', 0);
  a.arithmetic('subtract', 'rax', 'rcx');
  a.writeShort(memory('rbx', gridAt + grid.zero), 'rax');
  a.fill('broadcast', zero, memory('rbx', gridAt + grid.zero));
  emitSaveGrid(a, { scale, inverse, negatedZero: zero });
}

function emitSaveGrid(a: Assembler, found: { readonly scale: Vector; readonly inverse: Vector; readonly negatedZero: Vector }): void {
  const [half, zero] = [6, 7];
  emitConstant(a, half, signedZero);
  a.vector('addIntegers', half, half, found.negatedZero); // 128 - zero point
  a.vector('xor', zero, zero, zero);
  a.vector('subtractIntegers', zero, zero, half);
  a.save('storeFirst', memory('rbx', gridAt + grid.scale), found.scale);
  a.save('storeFirst', memory('rbx', gridAt + grid.inverse), found.inverse);
  a.save('storeFirst', memory('rbx', gridAt + grid.zero), zero);
  a.save('storeFirst', memory('rbx', gridAt + grid.shift), half);
}

/**
 * Goes through row rsi of x, sixteen numbers at a time: rax points at them, r14 at their codes, r15 at the row's facts, and rbx at the arguments.
 * What is left at the end is loaded under a mask, with zeros behind it.
 */
function emitRow(a: Assembler, { setUp }: { setUp?: () => void }, body: (remainder: Remainder) => void): void {
  a.move('rbx', 'rdi');
  a.read('r11', memory('rbx', 8 * roundingArguments.sizes));
  a.read('r10', memory('r11', 8 * roundingSizes.inner));
  a.read('r14', memory('r11', 8 * roundingSizes.codeBytes));
  a.multiply('r14', 'rsi');
  a.arithmeticWith('add', 'r14', memory('rbx', 8 * roundingArguments.codes));
  a.constant('r15', rowFactBytes);
  a.multiply('r15', 'rsi');
  a.arithmeticWith('add', 'r15', memory('rbx', 8 * roundingArguments.rows));
  a.move('rax', 'r10');
  a.multiply('rax', 'rsi');
  a.arithmetic('add', 'rax', 'rax');
  a.arithmetic('add', 'rax', 'rax');
  a.arithmeticWith('add', 'rax', memory('rbx', 8 * roundingArguments.x));
  setUp?.();
  emitSixteens(a, 'r10', 'r14', body);
}

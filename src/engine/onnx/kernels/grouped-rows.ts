// Machine code that rounds rows of activations to signed 8-bit codes, group by group: the largest of a group becomes 127.
import { type Assembler, Label, memory } from './assembler.ts';
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
import { groupFactBytes, groupFacts } from './grouped-product.ts';

/** What the task reads, in words of eight bytes. */
export const groupRoundingArguments = { x: 0, sizes: 1, codes: 2, facts: 3, numRows: 4 } as const;
/** The operand that says sizes: int64, in this order. */
export const groupRoundingSizes = { inner: 0, codeBytes: 1, factFloats: 2, groupSize: 3 } as const;

const largestCode = 127;
const allButSign = 0x7fffffff;

/** `void task(arguments, row)` */
export function emitGroupRoundingTask(a: Assembler): void {
  const [magnitudes, limit, largest, x, scale, inverse, sum, one] = [0, 1, 2, 3, 4, 5, 6, 7];
  withSavedRegisters(a, () => {
    a.move('rbx', 'rdi');
    a.read('r11', memory('rbx', 8 * groupRoundingArguments.sizes));
    a.read('r10', memory('r11', 8 * groupRoundingSizes.inner));
    a.move('r13', 'r10');
    a.multiply('r13', 'rsi');
    a.read('rax', memory('rbx', 8 * groupRoundingArguments.x));
    a.address('r13', memory('rax', 0, 'r13', 4)); // numbers of the group
    a.read('r14', memory('r11', 8 * groupRoundingSizes.codeBytes));
    a.multiply('r14', 'rsi');
    a.arithmeticWith('add', 'r14', memory('rbx', 8 * groupRoundingArguments.codes)); // its codes
    a.read('r15', memory('r11', 8 * groupRoundingSizes.factFloats));
    a.multiply('r15', 'rsi');
    a.read('rax', memory('rbx', 8 * groupRoundingArguments.facts));
    a.address('r15', memory('rax', 0, 'r15', 4)); // what is known of it
    a.read('r12', memory('r11', 8 * groupRoundingSizes.groupSize));
    emitConstant(a, magnitudes, allButSign);
    emitConstant(a, limit, floatBits(smallestScale));
    emitConstant(a, one, floatBits(1 / largestCode));
    const done = new Label();
    const group = a.here();
    a.arithmetic('compare', 'r10', 0);
    a.jumpIf('atMost', done);
    // The last group may be shorter.
    const whole = new Label();
    a.move('r9', 'r12');
    a.arithmetic('compare', 'r10', 'r12');
    a.jumpIf('atLeast', whole);
    a.move('r9', 'r10');
    a.bind(whole);

    a.vector('xor', largest, largest, largest);
    emitGroup(a, (remainder) => {
      a.fill('load', x, memory('rax'), remainder);
      a.vector('and', x, x, magnitudes);
      a.vector('maxFloats', largest, largest, x);
    });
    emitAcrossLanes(a, 'maxFloats', largest, x);
    a.vector('multiplyFloats', scale, largest, one);
    a.vector('maxFloats', scale, scale, limit);
    emitInverse(a, inverse, scale);
    a.vector('xor', sum, sum, sum);
    emitGroup(a, (remainder) => {
      a.fill('load', x, memory('rax'), remainder);
      a.vector('multiplyFloats', x, x, inverse);
      a.fill('floatsToIntegers', x, x);
      a.vector('subtractIntegers', sum, sum, x);
      a.save('storeAsBytes', memory('rdi'), x);
    });
    emitAcrossLanes(a, 'addIntegers', sum, x);
    a.save('storeFirst', memory('r15', groupFacts.scale), scale);
    a.save('storeFirst', memory('r15', groupFacts.negatedSum), sum);
    a.arithmetic('add', 'r15', groupFactBytes);
    a.address('r13', memory('r13', 0, 'r12', 4));
    a.arithmetic('add', 'r14', 'r12');
    a.arithmetic('subtract', 'r10', 'r12');
    a.jump(group);
    a.bind(done);
  });
}

/** The numbers of the group, r9 of them at r13, and their codes at rdi. */
function emitGroup(a: Assembler, body: (remainder: Remainder) => void): void {
  a.move('rax', 'r13');
  a.move('rdi', 'r14');
  a.move('r8', 'r9');
  emitSixteens(a, 'r8', 'rdi', body);
}

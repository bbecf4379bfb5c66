// Machine code for attention of few new positions over a key-value cache, of floats or of 8-bit codes: one pass over keys and values, 64 positions at a time.
import { cacheLineBytes } from '../native-memory.ts';
import { type Assembler, Label, type Memory, memory, type Vector } from './assembler.ts';
import { emitAcrossLanes, emitConstant, floatBits, withSavedRegisters } from './calls.ts';
import { emitExponential, emitExponentialConstants, exponentialBytes } from './exponential.ts';

/** What the task reads, in words of eight bytes. */
export const attentionArguments = {
  q: 0,
  k: 1,
  v: 2,
  pastKey: 3,
  pastValue: 4,
  lastIndex: 5,
  totalLength: 6,
  sizes: 7,
  keyScales: 8,
  valueScales: 9,
  y: 10,
  key: 11,
  value: 12,
  numSequences: 13,
  numPositions: 14,
  room: 15,
} as const;

/** The operand that says sizes: int64, in this order. Strides are the bytes from one position to the next; the scale is the bits of a float. */
export const attentionSizes = {
  width: 0,
  groups: 1,
  headsPerGroup: 2,
  qStride: 3,
  kStride: 4,
  vStride: 5,
  scale: 6,
  head: 7,
  qAt: 8,
  kAt: 9,
  vAt: 10,
  /** Positions that a query sees, itself included. */
  window: 11,
} as const;

export type CacheKind = 'float32' | 'int8';
/** Numbers of a head that there are kernels for. */
export const headSizes = [16, 32, 48, 64, 80, 96, 112, 128];

const lanes = 16;
/** Positions of the cache whose scores are held at once. */
const chunk = 64;
const lowest = -1e30;

/** Bytes of the widest head, in floats. */
const widestBytes = 4 * Math.max(...headSizes);
const words = { scratch: 0, start: 16, sequence: 24, group: 32, position: 40, head: 48, exponential: 64 } as const;
const queriesAt = words.exponential + exponentialBytes;
/** Places on the stack of a task, in bytes. */
const frame = { ...words, queries: queriesAt, sums: queriesAt + widestBytes, scores: queriesAt + 2 * widestBytes } as const;
const frameBytes = frame.scores + 4 * chunk;

const word = (name: keyof typeof attentionArguments): Memory => memory('rbx', 8 * attentionArguments[name]);

/** `void task(arguments, index)`: all heads that read one head of keys and values of one sequence, which is index / groups. */
export function emitAttentionTask(a: Assembler, kind: CacheKind, headSize: number): void {
  const task = new AttentionTask(a, kind, headSize);
  withSavedRegisters(a, () => task.emit(), frameBytes);
}

class AttentionTask {
  readonly #a: Assembler;
  readonly #isCoded: boolean;
  readonly #size: number;
  /** Vectors of a head. */
  readonly #parts: readonly number[];
  /** Bytes of a position of the cache. */
  readonly #positionBytes: number;

  constructor(a: Assembler, kind: CacheKind, headSize: number) {
    this.#a = a;
    this.#isCoded = kind === 'int8';
    this.#size = headSize;
    this.#parts = Array.from({ length: headSize / lanes }, (_, part) => part);
    this.#positionBytes = headSize * (this.#isCoded ? 1 : 4);
  }

  /** rbx: arguments; r12, r13: the keys and values of this sequence and group; rbp: sizes. */
  emit(): void {
    const a = this.#a;
    a.move('rbx', 'rdi');
    a.read('rbp', word('sizes'));
    a.move('rax', 'rsi');
    a.read('rcx', this.#sizeOf('groups'));
    a.divide('rcx');
    a.write(memory('rsp', frame.sequence), 'rax');
    a.write(memory('rsp', frame.group), 'rdx');
    this.#emitStart();
    a.move('rax', 'rsi');
    a.multiplyWith('rax', word('room'));
    a.multiplyBy('rax', this.#positionBytes);
    a.read('r12', word('key'));
    a.arithmetic('add', 'r12', 'rax');
    a.read('r13', word('value'));
    a.arithmetic('add', 'r13', 'rax');
    emitExponentialConstants(a, frame.exponential);
    this.#forEach('position', word('numPositions'), () => {
      this.#emitWrite('k', 'kStride', 'kAt', 'r12', 'keyScales');
      this.#emitWrite('v', 'vStride', 'vAt', 'r13', 'valueScales');
    });
    this.#forEach('position', word('numPositions'), () => this.#forEach('head', this.#sizeOf('headsPerGroup'), () => this.#emitHead()));
  }

  /** Where the new positions of this sequence begin: prompts at 0, and others behind what the row holds. */
  #emitStart(): void {
    const a = this.#a;
    const isPrompt = new Label();
    a.read('rcx', word('totalLength'));
    a.readShort('rcx', memory('rcx'));
    a.constant('r8', 0);
    a.read('r9', word('numPositions'));
    a.arithmetic('compare', 'rcx', 'r9');
    a.jumpIf('equal', isPrompt);
    a.read('rcx', word('lastIndex'));
    a.readShort('r8', memory('rcx', 0, 'rax', 4));
    a.arithmetic('add', 'r8', 1);
    a.arithmetic('subtract', 'r8', 'r9');
    a.bind(isPrompt);
    a.write(memory('rsp', frame.start), 'r8');
  }

  /** The new keys or values of one position into the cache, as codes where it holds those. Positions that the cache has no room for are left out. */
  #emitWrite(
    from: 'k' | 'v',
    stride: 'kStride' | 'vStride',
    at: 'kAt' | 'vAt',
    cache: 'r12' | 'r13',
    scales: 'keyScales' | 'valueScales',
  ): void {
    const a = this.#a;
    const skipped = new Label();
    a.read('rax', memory('rsp', frame.start));
    a.arithmeticWith('add', 'rax', memory('rsp', frame.position));
    a.arithmetic('compare', 'rax', 0);
    a.jumpIf('less', skipped);
    a.arithmeticWith('compare', 'rax', word('room'));
    a.jumpIf('atLeast', skipped);
    a.multiplyBy('rax', this.#positionBytes);
    a.arithmetic('add', 'rax', cache);
    this.#emitRow('rcx', from, stride, at);
    a.read('rdx', memory('rsp', frame.group));
    a.multiplyBy('rdx', 4 * this.#size);
    a.arithmetic('add', 'rcx', 'rdx');
    if (this.#isCoded) a.arithmeticWith('add', 'rdx', word(scales));
    for (const part of this.#parts) {
      a.fill('load', 0, memory('rcx', 64 * part));
      if (this.#isCoded) {
        a.vector('divideFloats', 0, 0, memory('rdx', 64 * part));
        a.fill('floatsToIntegers', 0, 0);
        a.save('storeAsBytes', memory('rax', lanes * part), 0);
      } else a.save('store', memory('rax', 64 * part), 0);
    }
    a.bind(skipped);
  }

  /** One head of one new position: its queries times the scale (and the scales of the keys), then chunk by chunk. */
  #emitHead(): void {
    const a = this.#a;
    this.#emitRow('rcx', 'q', 'qStride', 'qAt');
    this.#emitHeadOffset('rdx');
    a.arithmetic('add', 'rcx', 'rdx');
    a.fill('broadcast', 1, this.#sizeOf('scale'));
    if (this.#isCoded) this.#emitScales('rdx', 'keyScales');
    a.vector('xor', 2, 2, 2);
    for (const part of this.#parts) {
      a.vector('multiplyFloats', 0, 1, memory('rcx', 64 * part));
      if (this.#isCoded) a.vector('multiplyFloats', 0, 0, memory('rdx', 64 * part));
      a.save('store', memory('rsp', frame.queries + 64 * part), 0);
      a.save('store', memory('rsp', frame.sums + 64 * part), 2);
    }
    // How many positions it sees: those before it and itself, within the cache.
    a.read('r14', memory('rsp', frame.start));
    a.arithmeticWith('add', 'r14', memory('rsp', frame.position));
    a.arithmetic('add', 'r14', 1);
    const fits = new Label();
    a.arithmeticWith('compare', 'r14', word('room'));
    a.jumpIf('atMost', fits);
    a.read('r14', word('room'));
    a.bind(fits);
    // The first of them is as far back as the window reaches.
    const isNear = new Label();
    a.move('r10', 'r14');
    a.arithmeticWith('subtract', 'r10', this.#sizeOf('window'));
    a.jumpIf('greater', isNear);
    a.constant('r10', 0);
    a.bind(isNear);
    a.arithmetic('subtract', 'r14', 'r10');
    a.multiplyBy('r10', this.#positionBytes);
    a.address('r11', memory('r13', 0, 'r10'));
    a.arithmetic('add', 'r10', 'r12');
    const [largest, total] = [30, 31];
    emitConstant(a, largest, floatBits(lowest));
    a.vector('xor', total, total, total);
    const done = new Label();
    const next = a.here();
    a.arithmetic('compare', 'r14', 0);
    a.jumpIf('atMost', done);
    this.#emitChunk(largest, total);
    a.jump(next);
    a.bind(done);
    this.#emitResult(total);
  }

  /** Up to 64 positions: r14 counts those that are left, r10 points at their keys and r11 at their values. */
  #emitChunk(largest: Vector, total: Vector): void {
    const a = this.#a;
    const isWhole = new Label();
    a.constant('r15', chunk);
    a.arithmetic('compare', 'r14', chunk);
    a.jumpIf('atLeast', isWhole);
    a.move('r15', 'r14');
    emitConstant(a, 0, floatBits(lowest));
    for (let at = 0; at < chunk; at += lanes) a.save('store', memory('rsp', frame.scores + 4 * at), 0);
    a.bind(isWhole);
    a.arithmetic('subtract', 'r14', 'r15');
    this.#emitScores();
    this.#emitProbabilities(largest, total);
    this.#emitSums();
  }

  #emitScores(): void {
    const a = this.#a;
    const queries = (part: number): Vector => part;
    const [sum, other, number] = [8, 9, 10];
    for (const part of this.#parts) a.fill('load', queries(part), memory('rsp', frame.queries + 64 * part));
    a.address('rax', memory('rsp', frame.scores));
    a.move('rcx', 'r15');
    a.move('rdi', 'r11');
    const next = a.here();
    // The values of the same position are wanted next.
    this.#emitPrefetch();
    for (const part of this.#parts) {
      const from = this.#number(number + part, 'r10', part);
      if (part === 0) a.vector('multiplyFloats', sum, queries(part), from);
      else a.vector('multiplyAddFloats', sum, queries(part), from);
    }
    emitAcrossLanes(a, 'addFloats', sum, other);
    a.save('storeFirst', memory('rax'), sum);
    a.arithmetic('add', 'rax', 4);
    a.arithmetic('add', 'r10', this.#positionBytes);
    a.arithmetic('subtract', 'rcx', 1);
    a.jumpIf('notEqual', next);
  }

  /** Scores become e^(score - largest so far); what was summed before is brought to the same. */
  #emitProbabilities(largest: Vector, total: Vector): void {
    const a = this.#a;
    const [before, other, powers, sum] = [28, 29, 26, 27];
    const scores = [0, 1, 2, 3];
    for (const score of scores) a.fill('load', score, memory('rsp', frame.scores + 64 * score));
    a.fill('load', before, largest);
    for (const score of scores) a.vector('maxFloats', largest, largest, score);
    emitAcrossLanes(a, 'maxFloats', largest, other);
    a.vector('subtractFloats', before, before, largest);
    emitExponential(a, before, powers, sum, frame.exponential);
    a.vector('multiplyFloats', total, total, before);
    for (const score of scores) {
      a.vector('subtractFloats', score, score, largest);
      emitExponential(a, score, powers, sum, frame.exponential);
      a.vector('addFloats', total, total, score);
      a.save('store', memory('rsp', frame.scores + 64 * score), score);
    }
  }

  /** Adds the values of the chunk, weighted; vector 28 is what the sums so far are multiplied by. */
  #emitSums(): void {
    const a = this.#a;
    const [before, weight, number] = [28, 29, 8];
    for (const part of this.#parts) {
      a.fill('load', part, memory('rsp', frame.sums + 64 * part));
      a.vector('multiplyFloats', part, part, before);
    }
    a.address('rax', memory('rsp', frame.scores));
    a.move('rcx', 'r15');
    // What is wanted next are the keys of the next chunk, or those of the next head.
    const goesOn = new Label();
    a.move('rdi', 'r10');
    a.arithmetic('compare', 'r14', 0);
    a.jumpIf('greater', goesOn);
    a.read('rdi', word('room'));
    a.multiplyBy('rdi', this.#positionBytes);
    a.arithmetic('add', 'rdi', 'r12');
    a.bind(goesOn);
    const next = a.here();
    this.#emitPrefetch();
    a.fill('broadcast', weight, memory('rax'));
    for (const part of this.#parts) a.vector('multiplyAddFloats', part, weight, this.#number(number + part, 'r11', part));
    a.arithmetic('add', 'rax', 4);
    a.arithmetic('add', 'r11', this.#positionBytes);
    a.arithmetic('subtract', 'rcx', 1);
    a.jumpIf('notEqual', next);
    for (const part of this.#parts) a.save('store', memory('rsp', frame.sums + 64 * part), part);
  }

  /** y = sums / total, times the scales of the values. */
  #emitResult(total: Vector): void {
    const a = this.#a;
    emitAcrossLanes(a, 'addFloats', total, 0);
    // A position that sees nothing, because the cache has no room for it, gets zeros.
    emitConstant(a, 0, floatBits(Number.MIN_VALUE * 2 ** 23));
    a.vector('maxFloats', total, total, 0);
    emitConstant(a, 1, floatBits(1));
    a.vector('divideFloats', 1, 1, total);
    this.#emitCell('rcx');
    a.multiplyWith('rcx', this.#sizeOf('width'));
    a.multiplyBy('rcx', 4);
    a.arithmeticWith('add', 'rcx', word('y'));
    this.#emitHeadOffset('rdx');
    a.arithmetic('add', 'rcx', 'rdx');
    if (this.#isCoded) this.#emitScales('rdx', 'valueScales');
    for (const part of this.#parts) {
      a.vector('multiplyFloats', 0, 1, memory('rsp', frame.sums + 64 * part));
      if (this.#isCoded) a.vector('multiplyFloats', 0, 0, memory('rdx', 64 * part));
      a.save('store', memory('rcx', 64 * part), 0);
    }
  }

  /** Asks for the position at rdi, and goes on to the one behind: short runs of positions end before the processor sees that they are runs. */
  #emitPrefetch(): void {
    for (let at = 0; at < this.#positionBytes; at += cacheLineBytes) this.#a.prefetch(memory('rdi', at));
    this.#a.arithmetic('add', 'rdi', this.#positionBytes);
  }

  /** Sixteen numbers of a position of the cache, as an operand. */
  #number(into: Vector, base: 'r10' | 'r11', part: number): Vector | Memory {
    if (!this.#isCoded) return memory(base, 64 * part);
    this.#a.fill('signedBytesToIntegers', into, memory(base, lanes * part));
    this.#a.fill('integersToFloats', into, into);
    return into;
  }

  /** sequence·T + position */
  #emitCell(to: 'rcx'): void {
    const a = this.#a;
    a.read(to, memory('rsp', frame.sequence));
    a.multiplyWith(to, word('numPositions'));
    a.arithmeticWith('add', to, memory('rsp', frame.position));
  }

  /** Where the new queries, keys or values of this position begin. */
  #emitRow(to: 'rcx', from: 'q' | 'k' | 'v', stride: keyof typeof attentionSizes, at: keyof typeof attentionSizes): void {
    const a = this.#a;
    this.#emitCell(to);
    a.multiplyWith(to, this.#sizeOf(stride));
    a.arithmeticWith('add', to, this.#sizeOf(at));
    a.arithmeticWith('add', to, word(from));
  }

  /** Bytes from the first head's numbers to this one's, where all heads stand side by side. */
  #emitHeadOffset(to: 'rdx'): void {
    const a = this.#a;
    a.read(to, memory('rsp', frame.group));
    a.multiplyWith(to, this.#sizeOf('headsPerGroup'));
    a.arithmeticWith('add', to, memory('rsp', frame.head));
    a.multiplyBy(to, 4 * this.#size);
  }

  /** The scales of this group's channels. */
  #emitScales(to: 'rdx', scales: 'keyScales' | 'valueScales'): void {
    const a = this.#a;
    a.read(to, memory('rsp', frame.group));
    a.multiplyBy(to, 4 * this.#size);
    a.arithmeticWith('add', to, word(scales));
  }

  #sizeOf(name: keyof typeof attentionSizes): Memory {
    return memory('rbp', 8 * attentionSizes[name]);
  }

  /** Counts a word on the stack from 0. */
  #forEach(counter: 'position' | 'head', count: Memory, body: () => void): void {
    const a = this.#a;
    const at = memory('rsp', frame[counter]);
    const done = new Label();
    a.constant('rax', 0);
    a.write(at, 'rax');
    const next = a.here();
    a.read('rax', at);
    a.arithmeticWith('compare', 'rax', count);
    a.jumpIf('atLeast', done);
    body();
    a.read('rax', at);
    a.arithmetic('add', 'rax', 1);
    a.write(at, 'rax');
    a.jump(next);
    a.bind(done);
  }
}

// Writes x86-64 machine code: the few instructions that the kernels need, with 512-bit vectors.
import { invariant } from '#base';

const generalNames = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
] as const;

/** A 64-bit register. */
export type General = (typeof generalNames)[number];
/** A 512-bit register, 0 … 31. */
export type Vector = number;
/** A register of one bit a lane, 1 … 7; 0 stands for no mask. */
export type Mask = number;

/** [base + index*scale + displacement] */
export interface Memory {
  readonly base: General;
  readonly index?: General;
  readonly scale?: 1 | 2 | 4 | 8;
  readonly displacement?: number;
}

export function memory(base: General, displacement = 0, index?: General, scale: 1 | 2 | 4 | 8 = 1): Memory {
  return index === undefined ? { base, displacement } : { base, displacement, index, scale };
}

export interface Masking {
  readonly mask?: Mask;
  /** Lanes outside the mask become zero; they keep what was there otherwise. */
  readonly zero?: boolean;
}

/** Conditions of jumps after `compare`: signed. */
const conditions = { equal: 0x4, notEqual: 0x5, less: 0xc, atLeast: 0xd, atMost: 0xe, greater: 0xf } as const;
export type Condition = keyof typeof conditions;

/** A place in the code, known once it is bound. */
export class Label {
  position: number | undefined;
}

/** Opcode maps and mandatory prefixes as EVEX encodes them. */
const map = { '0f': 1, '0f38': 2, '0f3a': 3 } as const;
const prefix = { none: 0, '66': 1, f3: 2, f2: 3 } as const;

interface VectorCode {
  readonly map: keyof typeof map;
  readonly prefix: keyof typeof prefix;
  readonly opcode: number;
  /** Bytes that a memory operand of this instruction has: displacements that divide by it are stored in one byte. */
  readonly unit: number;
}

const full = 64;
const lane = 4;

/** Instructions of three vectors, the last of which may lie in memory: destination, first, second. */
const threeOperands = {
  addFloats: { map: '0f', prefix: 'none', opcode: 0x58, unit: full },
  multiplyFloats: { map: '0f', prefix: 'none', opcode: 0x59, unit: full },
  divideFloats: { map: '0f', prefix: 'none', opcode: 0x5e, unit: full },
  subtractFloats: { map: '0f', prefix: 'none', opcode: 0x5c, unit: full },
  minFloats: { map: '0f', prefix: 'none', opcode: 0x5d, unit: full },
  maxFloats: { map: '0f', prefix: 'none', opcode: 0x5f, unit: full },
  /** destination += first·second */
  multiplyAddFloats: { map: '0f38', prefix: '66', opcode: 0xb8, unit: full },
  /** first·2^⌊second⌋ */
  scaleByPower: { map: '0f38', prefix: '66', opcode: 0x2c, unit: full },
  /** destination -= first·second */
  multiplySubtractFloats: { map: '0f38', prefix: '66', opcode: 0xbc, unit: full },
  /** destination = destination·first + second */
  scaleAddFloats: { map: '0f38', prefix: '66', opcode: 0xa8, unit: full },
  addIntegers: { map: '0f', prefix: '66', opcode: 0xfe, unit: full },
  subtractIntegers: { map: '0f', prefix: '66', opcode: 0xfa, unit: full },
  minIntegers: { map: '0f38', prefix: '66', opcode: 0x39, unit: full },
  maxIntegers: { map: '0f38', prefix: '66', opcode: 0x3d, unit: full },
  multiplyIntegers: { map: '0f38', prefix: '66', opcode: 0x40, unit: full },
  xor: { map: '0f', prefix: '66', opcode: 0xef, unit: full },
  and: { map: '0f', prefix: '66', opcode: 0xdb, unit: full },
  /** destination (int32) += four products of bytes a lane: first unsigned, second signed (VNNI). */
  dotBytes: { map: '0f38', prefix: '66', opcode: 0x50, unit: full },
} as const satisfies Readonly<Record<string, VectorCode>>;

/** Instructions of two vectors, the second of which may lie in memory. */
const twoOperands = {
  load: { map: '0f', prefix: 'f3', opcode: 0x6f, unit: full },
  /** One number of 32 bits in every lane. */
  broadcast: { map: '0f38', prefix: '66', opcode: 0x58, unit: lane },
  integersToFloats: { map: '0f', prefix: 'none', opcode: 0x5b, unit: full },
  /** To the nearest, ties to even. */
  floatsToIntegers: { map: '0f', prefix: '66', opcode: 0x5b, unit: full },
  bytesToIntegers: { map: '0f38', prefix: '66', opcode: 0x31, unit: 16 },
  signedBytesToIntegers: { map: '0f38', prefix: '66', opcode: 0x21, unit: 16 },
} as const satisfies Readonly<Record<string, VectorCode>>;

/** Instructions that write a vector to memory. */
const stores = {
  store: { map: '0f', prefix: 'f3', opcode: 0x7f, unit: full },
  /** Sixteen integers as bytes, those out of range as the nearest that fits. */
  storeAsBytes: { map: '0f38', prefix: 'f3', opcode: 0x21, unit: 16 },
  /** The first lane. */
  storeFirst: { map: '0f', prefix: '66', opcode: 0x7e, unit: lane },
} as const satisfies Readonly<Record<string, VectorCode>>;

const arithmetic = { add: 0x01, subtract: 0x29, compare: 0x39, xor: 0x31, and: 0x21 } as const;
/** The digit of an immediate operand's opcode. */
const arithmeticDigit = { add: 0, subtract: 5, compare: 7, xor: 6, and: 4 } as const;
export type Arithmetic = keyof typeof arithmetic;

function code(register: General): number {
  return generalNames.indexOf(register);
}

export class Assembler {
  readonly #bytes: number[] = [];
  readonly #jumps: { readonly from: number; readonly label: Label }[] = [];

  /** The code; it may lie anywhere, since jumps within are relative. */
  finish(): Uint8Array {
    for (const { from, label } of this.#jumps) {
      invariant(label.position !== undefined, 'every label that is jumped to is bound');
      const distance = label.position - (from + 4);
      for (let byte = 0; byte < 4; byte++) this.#bytes[from + byte] = (distance >> (8 * byte)) & 0xff;
    }
    return Uint8Array.from(this.#bytes);
  }

  bind(label: Label): void {
    invariant(label.position === undefined, 'a label is bound once');
    label.position = this.#bytes.length;
  }

  /** Where the next instruction begins. */
  here(): Label {
    const label = new Label();
    this.bind(label);
    return label;
  }

  // Moves of 64 and 32 bits.

  constant(to: General, value: bigint | number): void {
    const r = code(to);
    this.#emit(0x48 | (r >> 3), 0xb8 | (r & 7));
    const bits = BigInt.asUintN(64, BigInt(value));
    for (let byte = 0n; byte < 8n; byte++) this.#emit(Number((bits >> (8n * byte)) & 0xffn));
  }

  move(to: General, from: General): void {
    this.#registers(0x89, from, to);
  }

  read(to: General, from: Memory): void {
    this.#general(0x8b, to, from, true);
  }

  /** 32 bits; the upper half becomes zero. */
  readShort(to: General, from: Memory): void {
    this.#general(0x8b, to, from, false);
  }

  /** 8 bits; the rest becomes zero. */
  readByte(to: General, from: Memory): void {
    const index = from.index === undefined ? 0 : code(from.index) >> 3;
    this.#emit(0x40 | ((code(to) >> 3) << 2) | (index << 1) | (code(from.base) >> 3), 0x0f, 0xb6);
    this.#operand(code(to) & 7, from, 1);
  }

  write(to: Memory, from: General): void {
    this.#general(0x89, from, to, true);
  }

  writeShort(to: Memory, from: General): void {
    this.#general(0x89, from, to, false);
  }

  address(to: General, of: Memory): void {
    this.#general(0x8d, to, of, true);
  }

  // Whole numbers.

  arithmetic(operation: Arithmetic, to: General, from: General | number): void {
    if (typeof from !== 'number') {
      this.#registers(arithmetic[operation], from, to);
      return;
    }
    const r = code(to);
    this.#emit(0x48 | (r >> 3), 0x81, 0xc0 | (arithmeticDigit[operation] << 3) | (r & 7));
    this.#int32(from);
  }

  arithmeticWith(operation: Arithmetic, to: General, from: Memory): void {
    this.#general(arithmetic[operation] + 2, to, from, true);
  }

  multiply(to: General, from: General): void {
    const [r, b] = [code(to), code(from)];
    this.#emit(0x48 | ((r >> 3) << 2) | (b >> 3), 0x0f, 0xaf, 0xc0 | ((r & 7) << 3) | (b & 7));
  }

  multiplyWith(to: General, from: Memory): void {
    const index = from.index === undefined ? 0 : code(from.index) >> 3;
    this.#emit(0x48 | ((code(to) >> 3) << 2) | (index << 1) | (code(from.base) >> 3), 0x0f, 0xaf);
    this.#operand(code(to) & 7, from, 1);
  }

  multiplyBy(to: General, factor: number): void {
    const r = code(to);
    this.#emit(0x48 | ((r >> 3) << 2) | (r >> 3), 0x69, 0xc0 | ((r & 7) << 3) | (r & 7));
    this.#int32(factor);
  }

  /** rax = rax / by, and rdx = the rest; both are not negative. */
  divide(by: General): void {
    const r = code(by);
    this.#emit(0x48, 0x31, 0xd2); // rdx = 0
    this.#emit(0x48 | (r >> 3), 0xf7, 0xf0 | (r & 7));
  }

  /** Copies rcx bytes from rsi to rdi. */
  copyBytes(): void {
    this.#emit(0xf3, 0xa4);
  }

  /** to <<= the low byte of rcx */
  shiftLeftByCount(to: General): void {
    const r = code(to);
    this.#emit(0x48 | (r >> 3), 0xd3, 0xe0 | (r & 7));
  }

  // The way through the code.

  push(register: General): void {
    const r = code(register);
    if (r > 7) this.#emit(0x41);
    this.#emit(0x50 | (r & 7));
  }

  pop(register: General): void {
    const r = code(register);
    if (r > 7) this.#emit(0x41);
    this.#emit(0x58 | (r & 7));
  }

  jump(to: Label): void {
    this.#emit(0xe9);
    this.#jumpTo(to);
  }

  jumpIf(condition: Condition, to: Label): void {
    this.#emit(0x0f, 0x80 | conditions[condition]);
    this.#jumpTo(to);
  }

  call(target: General): void {
    const r = code(target);
    if (r > 7) this.#emit(0x41);
    this.#emit(0xff, 0xd0 | (r & 7));
  }

  /** The address of a place in this code. */
  addressOfLabel(to: General, label: Label): void {
    const r = code(to);
    this.#emit(0x48 | ((r >> 3) << 2), 0x8d, 0x05 | ((r & 7) << 3));
    this.#jumpTo(label);
  }

  /** Back to the caller, with the vector registers as other code wants them. */
  return(): void {
    this.#emit(0xc5, 0xf8, 0x77, 0xc3); // vzeroupper; ret
  }

  // Vectors.

  vector(
    operation: keyof typeof threeOperands,
    to: Vector,
    first: Vector,
    second: Vector | Memory,
    masking: Masking & { readonly broadcast?: boolean } = {},
  ): void {
    this.#vector(threeOperands[operation], to, first, second, masking);
  }

  /** @param from - a vector, or a place in memory */
  fill(operation: keyof typeof twoOperands, to: Vector, from: Vector | Memory, masking: Masking = {}): void {
    this.#vector(twoOperands[operation], to, 0, from, masking);
  }

  /** @param mask - lanes outside are not written, nor is their memory touched */
  save(operation: keyof typeof stores, to: Memory, from: Vector, mask: Mask = 0): void {
    if (operation === 'storeFirst') this.#vector(stores.storeFirst, from, 0, to, {}, 0);
    else this.#vector(stores[operation], from, 0, to, { mask });
  }

  /** Shifts every integer right by a constant; the bits that come in are zero. */
  shiftRight(to: Vector, from: Vector | Memory, count: number): void {
    // The destination is the second operand here, and the digit 2 names the operation.
    this.#vector({ map: '0f', prefix: '66', opcode: 0x72, unit: full }, 2, to, from, {});
    this.#emit(count);
  }

  /** To the nearest whole numbers, ties to even. */
  roundFloats(to: Vector, from: Vector): void {
    this.#vector({ map: '0f3a', prefix: '66', opcode: 0x08, unit: full }, to, 0, from, {});
    this.#emit(0);
  }

  /** The halves (of all four 128-bit parts) in other order: part i becomes part (order >> 2i) & 3. */
  shuffleParts(to: Vector, from: Vector, order: number): void {
    this.#vector({ map: '0f3a', prefix: '66', opcode: 0x43, unit: full }, to, from, from, {});
    this.#emit(order);
  }

  /** The same for the four lanes within each part. */
  shuffleLanes(to: Vector, from: Vector, order: number): void {
    this.#vector({ map: '0f', prefix: '66', opcode: 0x70, unit: full }, to, 0, from, {});
    this.#emit(order);
  }

  /** The low sixteen bits of a register become a mask. */
  setMask(mask: Mask, from: General): void {
    const r = code(from);
    invariant(r < 8, 'masks are set from one of the first eight registers');
    this.#emit(0xc5, 0xf8, 0x92, 0xc0 | (mask << 3) | r);
  }

  /** Asks for the cache line at an address, into the second-level cache. */
  prefetch(from: Memory): void {
    const [b, i] = [code(from.base) >> 3, from.index === undefined ? 0 : code(from.index) >> 3];
    if (b + i > 0) this.#emit(0x40 | (i << 1) | b);
    this.#emit(0x0f, 0x18);
    this.#operand(2, from, 1);
  }

  #vector(
    { map: space, prefix: kind, opcode, unit }: VectorCode,
    register: Vector,
    first: Vector,
    last: Vector | Memory,
    { mask = 0, zero = false, broadcast = false }: Masking & { readonly broadcast?: boolean },
    length = 2,
  ): void {
    const inMemory = typeof last !== 'number';
    const [baseHigh, indexHigh] = inMemory
      ? [code(last.base) >> 3, last.index === undefined ? 0 : code(last.index) >> 3]
      : [(last >> 3) & 1, last >> 4];
    const not = (bit: number): number => bit ^ 1;
    this.#emit(
      0x62,
      (not((register >> 3) & 1) << 7) | (not(indexHigh) << 6) | (not(baseHigh) << 5) | (not(register >> 4) << 4) | map[space],
      ((~first & 15) << 3) | 4 | prefix[kind],
      ((zero ? 1 : 0) << 7) | (length << 5) | ((broadcast ? 1 : 0) << 4) | (not(first >> 4) << 3) | mask,
      opcode,
    );
    if (inMemory) this.#operand(register & 7, last, broadcast ? lane : unit);
    else this.#emit(0xc0 | ((register & 7) << 3) | (last & 7));
  }

  #general(opcode: number, register: General, where: Memory, isWide: boolean): void {
    const index = where.index === undefined ? 0 : code(where.index) >> 3;
    this.#emit(0x40 | (isWide ? 8 : 0) | ((code(register) >> 3) << 2) | (index << 1) | (code(where.base) >> 3), opcode);
    this.#operand(code(register) & 7, where, 1);
  }

  #registers(opcode: number, from: General, to: General): void {
    const [r, b] = [code(from), code(to)];
    this.#emit(0x48 | ((r >> 3) << 2) | (b >> 3), opcode, 0xc0 | ((r & 7) << 3) | (b & 7));
  }

  /** The bytes that say where in memory an operand lies. */
  #operand(register: number, { base, index, scale = 1, displacement = 0 }: Memory, unit: number): void {
    const steps = displacement / unit;
    const isShort = Number.isInteger(steps) && steps >= -128 && steps < 128;
    const mode = isShort ? 0x40 : 0x80;
    const b = code(base) & 7;
    if (index === undefined && b !== 4) this.#emit(mode | (register << 3) | b);
    else {
      invariant(index !== 'rsp', 'the stack pointer is no index');
      const i = index === undefined ? 4 : code(index) & 7;
      this.#emit(mode | (register << 3) | 4, (Math.log2(scale) << 6) | (i << 3) | b);
    }
    if (isShort) this.#emit(steps & 0xff);
    else this.#int32(displacement);
  }

  #jumpTo(label: Label): void {
    this.#jumps.push({ from: this.#bytes.length, label });
    this.#int32(0);
  }

  #int32(value: number): void {
    for (let byte = 0; byte < 4; byte++) this.#emit((value >> (8 * byte)) & 0xff);
  }

  #emit(...bytes: number[]): void {
    this.#bytes.push(...bytes);
  }
}

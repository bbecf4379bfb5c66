// Conversion between 16-bit floating-point bit patterns and numbers, by table where it pays.

const wordView = new Uint32Array(1);
const floatView = new Float32Array(wordView.buffer);

let halfTable: Float32Array | undefined;

function buildHalfTable(): Float32Array {
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >>> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    table[bits] =
      exponent === 0
        ? sign * fraction * 2 ** -24
        : exponent === 31
          ? fraction === 0
            ? sign * Number.POSITIVE_INFINITY
            : Number.NaN
          : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return table;
}

/** Widens IEEE binary16 bit patterns. */
export function halfToFloat(bits: Uint16Array): Float32Array {
  halfTable ??= buildHalfTable();
  const floats = new Float32Array(bits.length);
  for (let index = 0; index < bits.length; index++) floats[index] = halfTable[bits[index]!]!;
  return floats;
}

/** Rounds to IEEE binary16 by way of float32, as runtimes do: ties to even; values that round past 65504 become infinite. */
export function floatToHalf(floats: ArrayLike<number>): Uint16Array {
  const bits = new Uint16Array(floats.length);
  for (let index = 0; index < floats.length; index++) bits[index] = halfBits(floats[index]!);
  return bits;
}

function halfBits(value: number): number {
  floatView[0] = value;
  const word = wordView[0]!;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | 0x7c00 | (magnitude > 0x7f800000 ? 0x200 : 0);
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds past the largest half
  if (magnitude < 0x38800000) {
    // Subnormal half: the value is a multiple of 2^-24, and the runtime's own rounding of float32 addition does ties to even.
    floatView[0] = Math.abs(value) + 0.5;
    return sign | (wordView[0]! - 0x3f000000);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** Widens bfloat16 bit patterns: the upper half of a float32. */
export function bfloat16ToFloat(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let index = 0; index < bits.length; index++) words[index] = bits[index]! << 16;
  return new Float32Array(words.buffer);
}

/** Rounds to bfloat16 by way of float32, ties to even; every NaN becomes the quiet one. */
export function floatToBfloat16(floats: ArrayLike<number>): Uint16Array {
  const bits = new Uint16Array(floats.length);
  for (let index = 0; index < floats.length; index++) {
    floatView[0] = floats[index]!;
    const word = wordView[0]!;
    const isNotANumber = (word & 0x7fffffff) > 0x7f800000;
    bits[index] = isNotANumber ? 0x7fc0 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return bits;
}

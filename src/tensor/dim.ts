// Dimensions: a number, or a polynomial in named symbols such as `B`, `B*T` or `S+4`, kept in one canonical text form.
import { AppError, invariant } from '#base';

/** A size that is known now (number), or an expression in symbols that a run fixes (string). */
export type Dim = number | string;
export type Shape = readonly Dim[];
/** Values of the symbols for one run. */
export type DimBindings = ReadonlyMap<string, number>;

/** Monomials (sorted symbols joined by `*`; the empty text is the constant) and their coefficients. */
type Polynomial = Map<string, number>;

function parse(dim: Dim): Polynomial {
  if (typeof dim === 'number') return new Map(dim === 0 ? [] : [['', dim]]);
  const polynomial: Polynomial = new Map();
  for (const term of dim.split('+')) {
    let coefficient = 1;
    const symbols: string[] = [];
    for (const factor of term.split('*')) {
      if (/^-?\d+$/.test(factor)) coefficient *= Number(factor);
      else if (/^[A-Za-z_]\w*$/.test(factor)) symbols.push(factor);
      else throw new AppError('shape_mismatch', `dimension "${dim}" is not a sum of products of symbols and numbers.`);
    }
    addTerm(polynomial, symbols.sort().join('*'), coefficient);
  }
  return polynomial;
}

function addTerm(polynomial: Polynomial, monomial: string, coefficient: number): void {
  const sum = (polynomial.get(monomial) ?? 0) + coefficient;
  if (sum === 0) polynomial.delete(monomial);
  else polynomial.set(monomial, sum);
}

function print(polynomial: Polynomial): Dim {
  if (polynomial.size === 0) return 0;
  const constant = polynomial.get('');
  if (constant !== undefined && polynomial.size === 1) return constant;
  return [...polynomial]
    .sort(([left], [right]) => (left === '' ? 1 : right === '' ? -1 : left < right ? -1 : 1))
    .map(([monomial, coefficient]) => (monomial === '' ? `${coefficient}` : coefficient === 1 ? monomial : `${coefficient}*${monomial}`))
    .join('+');
}

export function addDims(left: Dim, right: Dim): Dim {
  if (typeof left === 'number' && typeof right === 'number') return left + right;
  const sum = parse(left);
  for (const [monomial, coefficient] of parse(right)) addTerm(sum, monomial, coefficient);
  return print(sum);
}

export function multiplyDims(left: Dim, right: Dim): Dim {
  if (typeof left === 'number' && typeof right === 'number') return left * right;
  if (left === 1) return addDims(right, 0);
  if (right === 1) return addDims(left, 0);
  const product: Polynomial = new Map();
  for (const [leftMonomial, leftCoefficient] of parse(left)) {
    for (const [rightMonomial, rightCoefficient] of parse(right)) {
      const symbols = [...leftMonomial.split('*'), ...rightMonomial.split('*')].filter((symbol) => symbol !== '');
      addTerm(product, symbols.sort().join('*'), leftCoefficient * rightCoefficient);
    }
  }
  return print(product);
}

export function subtractDims(left: Dim, right: Dim): Dim {
  return addDims(left, multiplyDims(-1, right));
}

/** The number of elements of a shape, as a dimension. */
export function elementCount(shape: Shape): Dim {
  return shape.reduce<Dim>(multiplyDims, 1);
}

/** Evaluates a dimension; every symbol in it must be bound. */
export function evaluateDim(dim: Dim, bindings: DimBindings): number {
  if (typeof dim === 'number') return dim;
  // Most are one symbol, and every run asks.
  const bound = bindings.get(dim);
  if (bound !== undefined) return bound;
  let total = 0;
  for (const [monomial, coefficient] of parse(dim)) {
    let product = coefficient;
    for (const symbol of monomial === '' ? [] : monomial.split('*')) {
      const value = bindings.get(symbol);
      invariant(value !== undefined, `dimension symbol ${symbol} is not bound by any input`);
      product *= value;
    }
    total += product;
  }
  return total;
}

export function evaluateShape(shape: Shape, bindings: DimBindings): number[] {
  return shape.map((dim) => evaluateDim(dim, bindings));
}

/** The terms of a dimension, for engines that compute it at run time: Σ coefficient · Π symbols. */
export function dimTerms(dim: Dim): readonly { readonly coefficient: number; readonly symbols: readonly string[] }[] {
  return [...parse(dim)].map(([monomial, coefficient]) => ({
    coefficient,
    symbols: monomial === '' ? [] : monomial.split('*'),
  }));
}

/** The size, which the caller needs as a number. */
export function staticDim(dim: Dim | undefined, place: string): number {
  if (typeof dim === 'number') return dim;
  throw new AppError('shape_mismatch', `${place}: needs a size that is known when the graph is built, got ${dim ?? 'none'}.`);
}

export function isStatic(shape: Shape): shape is readonly number[] {
  return shape.every((dim) => typeof dim === 'number');
}

export function sameShape(left: Shape, right: Shape): boolean {
  return left.length === right.length && left.every((dim, axis) => dim === right[axis]);
}

export function printShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** NumPy broadcasting; a symbol broadcasts only with itself and with 1. */
export function broadcastShapes(left: Shape, right: Shape, place: string): Shape {
  const rank = Math.max(left.length, right.length);
  return Array.from({ length: rank }, (_, axis) => {
    const leftDim = left[axis - rank + left.length] ?? 1;
    const rightDim = right[axis - rank + right.length] ?? 1;
    if (leftDim === rightDim || rightDim === 1) return leftDim;
    if (leftDim === 1) return rightDim;
    throw new AppError('shape_mismatch', `${place}: ${printShape(left)} and ${printShape(right)} do not broadcast.`);
  });
}

/** Matches a shape against concrete sizes and records what each plain symbol stands for. */
export function bindShape(shape: Shape, sizes: readonly number[], bindings: Map<string, number>, place: string): void {
  const fail = (): never => {
    throw new AppError('shape_mismatch', `${place}: expected ${printShape(shape)}, got ${printShape(sizes)}.`);
  };
  if (shape.length !== sizes.length) fail();
  shape.forEach((dim, axis) => {
    const size = sizes[axis];
    if (typeof dim === 'number') {
      if (dim !== size) fail();
    } else if (/^[A-Za-z_]\w*$/.test(dim)) {
      const known = bindings.get(dim);
      if (known === undefined) bindings.set(dim, size ?? 0);
      else if (known !== size) fail();
    }
  });
}

/** Normalizes an axis that may count from the end. */
export function normalizeAxis(axis: number, rank: number, place: string): number {
  const normalized = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normalized < 0 || normalized >= rank)
    throw new AppError('shape_mismatch', `${place}: axis ${axis} is outside a tensor of rank ${rank}.`);
  return normalized;
}

// Collects the nodes, constants and run-time sizes of one ONNX model while a graph is lowered.
import { at, invariant } from '#base';
import { type Dim, type DType, dimTerms, fromNumbers, type HostTensor, hostTensor, int64, isStatic, rawBytes, type Shape } from '#tensor';
import {
  contribDomain,
  isBranch,
  type OnnxAttribute,
  type OnnxInitializer,
  type OnnxModel,
  type OnnxNode,
  type OnnxValueInfo,
  ownDomain,
  type SubgraphAttribute,
} from './onnx-proto.ts';

/** The name of a value in the ONNX model. */
export type Ref = string;
type Attributes = Readonly<Record<string, OnnxAttribute>>;

/** Where the value of a dimension symbol comes from: one axis of a model input, or a known size. */
type SymbolSource = { readonly input: string; readonly axis: number } | number;

// Constants up to this size are shared when their contents are equal.
const sharedConstantBytes = 64;

/**
 * Builds one ONNX model. Invariant: nodes are added in an order in which operands come first, as ONNX wants.
 *
 * Names of our own start with `%`, which keeps them apart from the names of inputs and outputs.
 */
export class ModelBuilder {
  #nodes: OnnxNode[] = [];
  readonly #initializers: OnnxInitializer[] = [];
  readonly #tensors = new Map<Ref, HostTensor>();
  readonly #made = new Map<string, readonly Ref[]>();
  readonly #inputs: OnnxValueInfo[] = [];
  readonly #outputs: OnnxValueInfo[] = [];
  readonly #known: OnnxValueInfo[] = [];
  readonly #sharedConstants = new Map<string, Ref>();
  readonly #symbols = new Map<string, SymbolSource>();
  readonly #sizes = new Map<Dim, Ref>();
  /** Values that a node of ours makes, and the output name that each got, if any. */
  readonly #produced = new Map<Ref, Ref | undefined>();
  readonly #valueTypes = new Map<Ref, Omit<OnnxValueInfo, 'name'>>();
  #place = '';
  /** Nodes of all branches, so that names stay unique. */
  #numBranchNodes = 0;
  #isInBranch = false;

  /** Names the nodes that follow, for errors and profiles. */
  setPlace(place: string): void {
    this.#place = place;
  }

  /** Says what a value is, for those who ask how much memory a run takes. Results of the graph's nodes are described later, by one who knows them all. */
  describe(value: Ref, dtype: DType, shape: Shape): Ref {
    this.#valueTypes.set(value, { dtype, shape });
    return value;
  }

  input(name: string, dtype: DType, shape: Shape): Ref {
    this.#inputs.push({ name, dtype, shape });
    for (const [axis, dim] of shape.entries())
      if (typeof dim === 'string' && /^[A-Za-z_]\w*$/.test(dim) && !this.#symbols.has(dim)) this.#symbols.set(dim, { input: name, axis });
    return name;
  }

  /** An initializer under a name of the caller's, for frozen inputs; it fixes the symbols of its declared shape. */
  frozen(name: string, shape: Shape, tensor: HostTensor): Ref {
    this.#addInitializer(name, tensor);
    for (const [axis, dim] of shape.entries()) if (typeof dim === 'string') this.#symbols.set(dim, at(tensor.shape, axis));
    return name;
  }

  constant(tensor: HostTensor): Ref {
    const bytes = rawBytes(tensor);
    if (bytes.length > sharedConstantBytes) return this.#addConstant(tensor);
    const key = `${tensor.dtype} ${tensor.shape.join(',')} ${Buffer.from(bytes).toString('hex')}`;
    const known = this.#sharedConstants.get(key);
    if (known !== undefined) return known;
    const name = this.#addConstant(tensor);
    this.#sharedConstants.set(key, name);
    return name;
  }

  scalar(value: number, dtype: DType): Ref {
    return this.constant(hostTensor(dtype, [], fromNumbers(dtype, [value])));
  }

  /** An int64 vector that is known now. */
  integers(values: readonly number[]): Ref {
    return this.constant(int64([values.length], values));
  }

  /** A node of the standard domain with one result. */
  op(opType: string, inputs: readonly Ref[], attributes: Attributes = {}): Ref {
    return at(this.#addNode(opType, '', inputs, attributes, 1), 0);
  }

  /** A node of the standard domain with several results. */
  ops(opType: string, inputs: readonly Ref[], numOutputs: number, attributes: Attributes = {}): Ref[] {
    return this.#addNode(opType, '', inputs, attributes, numOutputs);
  }

  /** A node of ONNX Runtime's own domain. */
  contrib(opType: string, inputs: readonly Ref[], attributes: Attributes = {}, numOutputs = 1): Ref[] {
    return this.#addNode(opType, contribDomain, inputs, attributes, numOutputs);
  }

  /** A node of our own domain. */
  own(opType: string, inputs: readonly Ref[], numOutputs: number): Ref[] {
    return this.#addNode(opType, ownDomain, inputs, {}, numOutputs);
  }

  /** What an initializer holds; undefined for what is computed. */
  tensorOf(value: Ref): HostTensor | undefined {
    return this.#tensors.get(value);
  }

  /** What was made under the same key before, or else is made now. */
  once(key: string, make: () => readonly Ref[]): readonly Ref[] {
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const refs = make();
    // What is made in a branch is not known outside.
    if (!this.#isInBranch) this.#made.set(key, refs);
    return refs;
  }

  /**
   * One node that runs one of two branches. They may read what stands before it; sizes that they need must have been asked for before.
   *
   * @param condition - bool []
   * @param results - type of each result; every branch answers as many names, of values that it made itself
   */
  branches(
    condition: Ref,
    results: readonly Pick<OnnxValueInfo, 'dtype' | 'shape'>[],
    { whenTrue, whenFalse }: Readonly<Record<'whenTrue' | 'whenFalse', () => readonly Ref[]>>,
  ): Ref[] {
    const attributes = { then_branch: this.#branch('true', whenTrue, results), else_branch: this.#branch('false', whenFalse, results) };
    return this.#addNode('If', '', [condition], attributes, results.length);
  }

  /** int64 [1]: a size, computed at run time where it has symbols; each is computed once. */
  size(dim: Dim): Ref {
    if (typeof dim === 'number') return this.integers([dim]);
    const known = this.#sizes.get(dim);
    if (known !== undefined) return known;
    const ref = this.#computeSize(dim);
    this.#sizes.set(dim, ref);
    return ref;
  }

  /** int64 []: the same as a scalar. */
  scalarSize(dim: Dim): Ref {
    if (typeof dim === 'number') return this.constant(int64([], [dim]));
    return this.op('Squeeze', [this.size(dim), this.integers([0])]);
  }

  /** int64 [rank]: a shape, static where it can be. */
  shape(shape: Shape): Ref {
    if (isStatic(shape)) return this.integers(shape);
    // Neighbouring static sizes go into one constant.
    const parts: Ref[] = [];
    let statics: number[] = [];
    for (const dim of shape) {
      if (typeof dim === 'number') {
        statics.push(dim);
        continue;
      }
      if (statics.length > 0) parts.push(this.integers(statics));
      statics = [];
      parts.push(this.size(dim));
    }
    if (statics.length > 0) parts.push(this.integers(statics));
    return parts.length === 1 ? at(parts, 0) : this.op('Concat', parts, { axis: 0 });
  }

  /** Says what type a value of ours has, where the runtime does not find it out itself: branches are typed by what they read. */
  declare(value: Ref, dtype: DType, shape: Shape): void {
    this.#known.push({ name: value, dtype, shape });
  }

  /**
   * Declares a model output.
   *
   * The node that makes the value writes the output directly; a copy is needed only when the value is an input, a
   * constant, or an output already.
   */
  output(name: string, value: Ref, dtype: DType, shape: Shape): void {
    this.#outputs.push({ name, dtype, shape });
    const isFree = this.#produced.has(value) && this.#produced.get(value) === undefined;
    const source = isFree ? value : this.op('Identity', [value]);
    this.#produced.set(source, name);
  }

  finish(name: string): OnnxModel {
    const rename = (ref: Ref): Ref => this.#produced.get(ref) ?? ref;
    const { needed, read } = this.#needed();
    const nodes = needed.map((node) => renamed(node, rename));
    const initializers = this.#initializers.filter((initializer) => read.has(initializer.name));
    const outputs = new Set(this.#outputs.map((output) => output.name));
    const known = this.#known.map((value) => ({ ...value, name: rename(value.name) })).filter((value) => !outputs.has(value.name));
    const valueTypes = new Map([...this.#valueTypes].map(([ref, type]) => [rename(ref), type] as const));
    return { name, nodes, initializers, inputs: this.#inputs, outputs: this.#outputs, known, valueTypes };
  }

  /** Without those that fusions left behind: the runtime would run them. */
  #needed(): { readonly needed: readonly OnnxNode[]; readonly read: ReadonlySet<Ref> } {
    const read = new Set([...this.#produced].filter(([, output]) => output !== undefined).map(([ref]) => ref));
    const needed = this.#nodes.toReversed().filter((node) => {
      const isNeeded = node.outputs.some((ref) => read.has(ref));
      if (isNeeded) for (const ref of allInputs(node)) read.add(ref);
      return isNeeded;
    });
    return { needed: needed.toReversed(), read };
  }

  #addConstant(tensor: HostTensor): Ref {
    const name = `%c${this.#initializers.length}`;
    this.#addInitializer(name, tensor);
    return name;
  }

  #addInitializer(name: Ref, tensor: HostTensor): void {
    this.#initializers.push({ name, tensor });
    this.#tensors.set(name, tensor);
  }

  #addNode(opType: string, domain: string, inputs: readonly Ref[], attributes: Attributes, numOutputs: number): Ref[] {
    const index = this.#nodes.length + this.#numBranchNodes;
    const outputs = Array.from({ length: numOutputs }, (_, output) => (numOutputs === 1 ? `%${index}` : `%${index}.${output}`));
    this.#nodes.push({ opType, domain, name: `${this.#place}#${index}`, inputs, outputs, attributes });
    for (const output of outputs) this.#produced.set(output, undefined);
    return outputs;
  }

  #branch(name: string, build: () => readonly Ref[], results: readonly Pick<OnnxValueInfo, 'dtype' | 'shape'>[]): SubgraphAttribute {
    invariant(!this.#isInBranch, 'branches are not nested');
    const outer = this.#nodes;
    this.#nodes = [];
    this.#isInBranch = true;
    this.#numBranchNodes += outer.length;
    const made = build();
    const nodes = this.#nodes;
    this.#nodes = outer;
    this.#isInBranch = false;
    this.#numBranchNodes += nodes.length - outer.length;
    return { branch: name, nodes, outputs: results.map((type, index) => ({ ...type, name: at(made, index) })) };
  }

  #computeSize(dim: string): Ref {
    invariant(!this.#isInBranch, `the size ${dim} is not known outside a branch`);
    const terms = dimTerms(dim).map(({ coefficient, symbols }) => {
      const factors = symbols.map((symbol) => this.#symbolSize(symbol));
      if (coefficient !== 1 || factors.length === 0) factors.push(this.integers([coefficient]));
      return factors.reduce((left, right) => this.op('Mul', [left, right]));
    });
    return terms.reduce((left, right) => this.op('Add', [left, right]));
  }

  #symbolSize(symbol: string): Ref {
    const source = this.#symbols.get(symbol);
    invariant(source !== undefined, `dimension symbol ${symbol} is not the size of any input's axis`);
    if (typeof source === 'number') return this.integers([source]);
    const known = this.#sizes.get(symbol);
    if (known !== undefined) return known;
    const ref = this.op('Shape', [source.input], { start: source.axis, end: source.axis + 1 });
    this.#sizes.set(symbol, ref);
    return ref;
  }
}

/** With what its branches read. */
function allInputs({ inputs, attributes }: OnnxNode): readonly Ref[] {
  const inner = Object.values(attributes).filter(isBranch);
  return [...inputs, ...inner.flatMap(({ nodes }) => nodes.flatMap(allInputs))];
}

function renamed(node: OnnxNode, rename: (ref: Ref) => Ref): OnnxNode {
  const attributes = Object.entries(node.attributes).map(([name, value]) => [
    name,
    isBranch(value) ? { ...value, nodes: value.nodes.map((inner) => renamed(inner, rename)) } : value,
  ]);
  return { ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename), attributes: Object.fromEntries(attributes) };
}

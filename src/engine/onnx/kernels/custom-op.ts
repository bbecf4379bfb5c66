// An operator of our own for ONNX Runtime: the OrtCustomOp structure with functions in machine code.
import type { KernelFunctions, Pointer } from '../c-api.ts';
import { addressOf, offHeap, StringTable } from '../native-memory.ts';
import { type Assembler, Label, memory } from './assembler.ts';
import { withSavedRegisters } from './calls.ts';

export interface CustomInput {
  readonly type: number;
  /** The word of the arguments that its address goes to. */
  readonly word: number;
  /** Words that some of its axes go to. */
  readonly axes?: readonly { readonly axis: number; readonly word: number }[];
}

export interface CustomOutput {
  readonly type: number;
  /** The word of the arguments that its address goes to. */
  readonly word: number;
  /** The input whose axes it has. @default the first */
  readonly like?: number;
  /** The last axis, where it is another: the word of the operand with the sizes. */
  readonly lastAxis?: number;
}

export interface CustomOp {
  readonly name: string;
  /** Element types of the inputs and the words of the arguments that their addresses go to. */
  readonly inputs: readonly CustomInput[];
  readonly outputs: readonly CustomOutput[];
  /** The word of the arguments that holds the address of the sizes. */
  readonly sizesWord: number;
  /** The word for the number of rows of the first input: the product of its axes without the last. */
  readonly numRowsWord?: number;
  /** Emits the work: rbx is the address of the arguments, rbp the kernel's context. `count` leaves the number of tasks in rdx. */
  readonly work: (a: Assembler, parallel: (task: Label, count: () => void) => void) => void;
}

/** Fields of OrtCustomOp behind its version, API version 24; those not here are NULL. */
const fields = {
  GetName: 2,
  GetExecutionProviderType: 3,
  GetInputType: 4,
  GetInputTypeCount: 5,
  GetOutputType: 6,
  GetOutputTypeCount: 7,
  KernelDestroy: 9,
  GetInputCharacteristic: 10,
  GetOutputCharacteristic: 11,
  GetInputMemoryType: 12,
  GetVariadicInputMinArity: 13,
  GetVariadicInputHomogeneity: 14,
  GetVariadicOutputMinArity: 15,
  GetVariadicOutputHomogeneity: 16,
  CreateKernelV2: 17,
  KernelComputeV2: 18,
  GetStartVersion: 20,
  GetEndVersion: 21,
} as const;
type Field = keyof typeof fields;
const numFields = 26;
const apiVersion = 24;

const maxRank = 8;
const numArgumentWords = 24;
/** Places on the stack of a run, in bytes from its top. */
const frame = { scratch: 0, value: 8, info: 16, rank: 24, sizes: 32, arguments: 32 + 8 * maxRank } as const;
const frameBytes = frame.arguments + 8 * numArgumentWords;

/** Emits the functions of an operator; what it returns makes the structure once the code has its address. */
export function emitCustomOp(a: Assembler, op: CustomOp, functions: KernelFunctions): (code: Pointer) => CustomOpMemory {
  const labels = new Map<Field, Label>();
  const define = (names: readonly Field[], emit: () => void): void => {
    const label = a.here();
    for (const name of names) labels.set(name, label);
    emit();
  };
  const text = new StringTable([op.name, 'CPUExecutionProvider']);
  const answer = (value: Pointer | number) => (): void => {
    a.constant('rax', value);
    a.return();
  };
  const [name = 0n, provider = 0n] = text.table;
  define(['GetName'], answer(name));
  define(['GetExecutionProviderType'], answer(provider));
  define(['GetInputTypeCount'], answer(op.inputs.length));
  define(['GetOutputTypeCount'], answer(op.outputs.length));
  define(['GetStartVersion'], answer(1));
  define(['GetEndVersion'], answer(2 ** 31 - 1));
  // Every operand is required, lies in ordinary memory, and none comes several times.
  const none: readonly Field[] = [
    'GetInputCharacteristic',
    'GetOutputCharacteristic',
    'GetInputMemoryType',
    'GetVariadicInputMinArity',
    'GetVariadicInputHomogeneity',
    'GetVariadicOutputMinArity',
    'GetVariadicOutputHomogeneity',
    'KernelDestroy',
  ];
  define(none, answer(0));
  const choose = (types: readonly { readonly type: number }[]) => (): void => {
    for (const [index, { type }] of types.entries()) {
      const next = new Label();
      a.arithmetic('compare', 'rsi', index);
      a.jumpIf('notEqual', next);
      answer(type)();
      a.bind(next);
    }
    answer(0)();
  };
  define(['GetInputType'], choose(op.inputs));
  define(['GetOutputType'], choose(op.outputs));
  define(['CreateKernelV2'], () => {
    // A kernel has no state: anything but NULL will do.
    a.write(memory('rcx'), 'rdi');
    answer(0)();
  });
  define(['KernelComputeV2'], () => emitRun(a, op, functions));
  return (code) => new CustomOpMemory(code, labels, text);
}

/** The structure that the runtime reads for as long as the process lives. */
export class CustomOpMemory {
  readonly #words: BigUint64Array;
  /** Referenced because the code holds its address. */
  readonly text: StringTable;

  constructor(code: Pointer, labels: ReadonlyMap<Field, Label>, text: StringTable) {
    this.text = text;
    this.#words = new BigUint64Array(offHeap(8 * numFields));
    this.#words[0] = BigInt(apiVersion);
    for (const [field, { position = 0 }] of labels) this.#words[fields[field]] = code + BigInt(position);
  }

  get pointer(): Pointer {
    return addressOf(this.#words.buffer);
  }
}

/** `OrtStatus *KernelComputeV2(kernel, context)` */
function emitRun(a: Assembler, op: CustomOp, functions: KernelFunctions): void {
  const failed = new Label();
  const call = (name: keyof KernelFunctions): void => {
    a.constant('rax', functions[name]);
    a.call('rax');
    if (name === 'ReleaseTensorTypeAndShapeInfo') return;
    a.arithmetic('compare', 'rax', 0);
    a.jumpIf('notEqual', failed);
  };
  const dataOf = (word: number): void => {
    a.read('rdi', memory('rsp', frame.value));
    a.address('rsi', memory('rbx', 8 * word));
    call('GetTensorMutableData');
  };
  const readInput = (input: number): void => {
    a.move('rdi', 'rbp');
    a.constant('rsi', input);
    a.address('rdx', memory('rsp', frame.value));
    call('KernelContext_GetInput');
  };
  const emitBody = (): void => {
    a.move('rbp', 'rsi');
    a.address('rbx', memory('rsp', frame.arguments));
    for (const [index, { word, axes = [] }] of op.inputs.entries()) {
      readInput(index);
      if (index === 0 || axes.length > 0) emitShape(a, call);
      if (index === 0 && op.numRowsWord !== undefined) emitNumRows(a, op.numRowsWord);
      for (const { axis, word: to } of axes) {
        a.read('rax', memory('rsp', frame.sizes + 8 * axis));
        a.write(memory('rbx', 8 * to), 'rax');
      }
      dataOf(word);
    }
    for (const [index, { word, like = 0, lastAxis }] of op.outputs.entries()) {
      readInput(like);
      emitShape(a, call);
      a.read('rcx', memory('rsp', frame.rank));
      if (lastAxis !== undefined) {
        a.read('rax', memory('rbx', 8 * op.sizesWord));
        a.read('rax', memory('rax', 8 * lastAxis));
        a.write(memory('rsp', frame.sizes - 8, 'rcx', 8), 'rax');
      }
      a.move('rdi', 'rbp');
      a.constant('rsi', index);
      a.address('rdx', memory('rsp', frame.sizes));
      a.address('r8', memory('rsp', frame.value));
      call('KernelContext_GetOutput');
      dataOf(word);
    }
    op.work(a, (task, count) => {
      count(); // into rdx
      a.move('rdi', 'rbp');
      a.addressOfLabel('rsi', task);
      a.constant('rcx', 0);
      a.move('r8', 'rbx');
      call('KernelContext_ParallelFor');
    });
    a.constant('rax', 0);
    a.bind(failed);
  };
  withSavedRegisters(a, emitBody, frameBytes);
}

/** The number of axes of the value, and their sizes. */
function emitShape(a: Assembler, call: (name: keyof KernelFunctions) => void): void {
  a.read('rdi', memory('rsp', frame.value));
  a.address('rsi', memory('rsp', frame.info));
  call('GetTensorTypeAndShape');
  a.read('rdi', memory('rsp', frame.info));
  a.address('rsi', memory('rsp', frame.rank));
  call('GetDimensionsCount');
  a.read('rdi', memory('rsp', frame.info));
  a.address('rsi', memory('rsp', frame.sizes));
  a.read('rdx', memory('rsp', frame.rank));
  call('GetDimensions');
  a.read('rdi', memory('rsp', frame.info));
  call('ReleaseTensorTypeAndShapeInfo');
}

/** The product of the axes without the last. */
function emitNumRows(a: Assembler, word: number): void {
  a.constant('rax', 1);
  a.read('rcx', memory('rsp', frame.rank));
  const done = new Label();
  const next = a.here();
  a.arithmetic('subtract', 'rcx', 1);
  a.arithmetic('compare', 'rcx', 0);
  a.jumpIf('atMost', done);
  a.address('rdx', memory('rsp', frame.sizes));
  a.read('rdx', memory('rdx', -8, 'rcx', 8));
  a.multiply('rax', 'rdx');
  a.jump(next);
  a.bind(done);
  a.write(memory('rbx', 8 * word), 'rax');
}

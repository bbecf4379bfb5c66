// The operators of our own: what each takes and gives, and how its work is shared out in tasks.
import { dtypeBytes } from '#tensor';
import { elementType } from '../onnx-proto.ts';
import { type Assembler, Label, memory } from './assembler.ts';
import { attentionArguments, attentionSizes, type CacheKind, emitAttentionTask, headSizes } from './cached-attention.ts';
import type { CustomOp } from './custom-op.ts';
import { emitGroupedTask, type GroupedBits, groupedArguments, groupedSizes } from './grouped-product.ts';
import { emitGroupRoundingTask, groupRoundingArguments, groupRoundingSizes } from './grouped-rows.ts';
import { emitProductTask, productArguments, productSizes } from './int8-product.ts';
import { emitGivenGrid, emitGridOfRows, emitRangeTask, emitRoundingTask, roundingArguments, roundingSizes } from './int8-rows.ts';

/** Fewer rows are rounded by the thread that is there already. */
const fewRows = 16;

interface Tasks {
  readonly range: Label;
  readonly rounding: Label;
  readonly product: Label;
  readonly groupRounding: Label;
  readonly grouped: Readonly<Record<GroupedBits, Label>>;
  /** By kind of cache, then by numbers of a head. */
  readonly attention: Readonly<Record<CacheKind, ReadonlyMap<number, Label>>>;
}

function emitTasks(a: Assembler): Tasks {
  const task = (emit: () => void): Label => {
    const label = a.here();
    emit();
    return label;
  };
  const attention = (kind: CacheKind) => new Map(headSizes.map((size) => [size, task(() => emitAttentionTask(a, kind, size))] as const));
  return {
    range: task(() => emitRangeTask(a)),
    rounding: task(() => emitRoundingTask(a)),
    product: task(() => emitProductTask(a)),
    groupRounding: task(() => emitGroupRoundingTask(a)),
    grouped: { 4: task(() => emitGroupedTask(a, 4)), 8: task(() => emitGroupedTask(a, 8)) },
    attention: { float32: attention('float32'), int8: attention('int8') },
  };
}

/** Emits the tasks and says which operators use them. Names and operands are those that the lowering writes. */
export function operators(a: Assembler): readonly CustomOp[] {
  const tasks = emitTasks(a);
  const { float32, int8, uint8, int32, int64 } = elementType;
  const rounded = {
    outputs: [
      { type: int8, word: roundingArguments.codes, lastAxis: roundingSizes.codeBytes },
      { type: float32, word: roundingArguments.rows, lastAxis: roundingSizes.factFloats },
    ],
    sizesWord: roundingArguments.sizes,
    numRowsWord: roundingArguments.numRows,
  };
  const rows = [
    { type: float32, word: roundingArguments.x },
    { type: int64, word: roundingArguments.sizes },
  ];
  return [
    {
      ...rounded,
      name: 'RoundRows',
      inputs: rows,
      work: (a, parallel) => {
        emitForRows(a, tasks.range, roundingArguments.numRows, parallel);
        emitGridOfRows(a);
        emitForRows(a, tasks.rounding, roundingArguments.numRows, parallel);
      },
    },
    {
      ...rounded,
      name: 'RoundRowsTo',
      inputs: [...rows, { type: float32, word: roundingArguments.given }, { type: uint8, word: roundingArguments.given + 1 }],
      work: (a, parallel) => {
        emitGivenGrid(a);
        emitForRows(a, tasks.rounding, roundingArguments.numRows, parallel);
      },
    },
    {
      name: 'Int8Product',
      inputs: [
        { type: int8, word: productArguments.codes },
        { type: float32, word: productArguments.rows },
        { type: uint8, word: productArguments.weights },
        { type: float32, word: productArguments.scales },
        { type: int32, word: productArguments.sums },
        { type: float32, word: productArguments.bias },
        { type: int64, word: productArguments.sizes },
      ],
      outputs: [{ type: float32, word: productArguments.y, lastAxis: productSizes.columns }],
      sizesWord: productArguments.sizes,
      numRowsWord: productArguments.numRows,
      work: (a, parallel) => parallel(tasks.product, () => emitSize(a, productArguments.sizes, productSizes.numBlocks)),
    },
    {
      name: 'RoundGroups',
      inputs: [
        { type: float32, word: groupRoundingArguments.x },
        { type: int64, word: groupRoundingArguments.sizes },
      ],
      outputs: [
        { type: int8, word: groupRoundingArguments.codes, lastAxis: groupRoundingSizes.codeBytes },
        { type: float32, word: groupRoundingArguments.facts, lastAxis: groupRoundingSizes.factFloats },
      ],
      sizesWord: groupRoundingArguments.sizes,
      numRowsWord: groupRoundingArguments.numRows,
      work: (a, parallel) => emitForRows(a, tasks.groupRounding, groupRoundingArguments.numRows, parallel),
    },
    groupedOperator(4, tasks),
    groupedOperator(8, tasks),
    attentionOperator('CachedAttention', 'float32', tasks.attention.float32),
    attentionOperator('Int8CachedAttention', 'int8', tasks.attention.int8),
  ];
}

function groupedOperator(bits: GroupedBits, tasks: Tasks): CustomOp {
  const { float32, int8, uint8, int64 } = elementType;
  const w = groupedArguments;
  return {
    name: `GroupedProduct${bits}`,
    inputs: [
      { type: int8, word: w.codes },
      { type: float32, word: w.facts },
      { type: uint8, word: w.weights },
      { type: float32, word: w.bias },
      { type: int64, word: w.sizes },
    ],
    outputs: [{ type: float32, word: w.y, lastAxis: groupedSizes.columns }],
    sizesWord: w.sizes,
    numRowsWord: w.numRows,
    work: (a, parallel) => parallel(tasks.grouped[bits], () => emitSize(a, w.sizes, groupedSizes.numBlocks)),
  };
}

/** A number of the operand with the sizes, into rdx. */
function emitSize(a: Assembler, sizesWord: number, index: number): void {
  a.read('rdx', memory('rbx', 8 * sizesWord));
  a.read('rdx', memory('rdx', 8 * index));
}

function attentionOperator(name: string, kind: CacheKind, tasks: ReadonlyMap<number, Label>): CustomOp {
  const { float32, int32, int64 } = elementType;
  const cache = elementType[kind];
  const w = attentionArguments;
  const scales = [
    { type: float32, word: w.keyScales },
    { type: float32, word: w.valueScales },
  ];
  return {
    name,
    inputs: [
      {
        type: float32,
        word: w.q,
        axes: [
          { axis: 0, word: w.numSequences },
          { axis: 1, word: w.numPositions },
        ],
      },
      { type: float32, word: w.k },
      { type: float32, word: w.v },
      { type: cache, word: w.pastKey, axes: [{ axis: 2, word: w.room }] },
      { type: cache, word: w.pastValue },
      { type: int32, word: w.lastIndex },
      { type: int32, word: w.totalLength },
      { type: int64, word: w.sizes },
      ...(kind === 'int8' ? scales : []),
    ],
    outputs: [
      { type: float32, word: w.y, lastAxis: attentionSizes.width },
      { type: cache, word: w.key, like: 3 },
      { type: cache, word: w.value, like: 4 },
    ],
    sizesWord: w.sizes,
    work: (a, parallel) => {
      a.read('r12', memory('rbx', 8 * w.sizes));
      a.read('r13', memory('rbx', 8 * w.numSequences));
      a.multiplyWith('r13', memory('r12', 8 * attentionSizes.groups));
      a.read('r14', memory('r12', 8 * attentionSizes.head));
      emitKeepPast(a, w.key, w.pastKey, dtypeBytes[kind]);
      emitKeepPast(a, w.value, w.pastValue, dtypeBytes[kind]);
      const done = new Label();
      for (const [size, task] of tasks) {
        const next = new Label();
        a.arithmetic('compare', 'r14', size);
        a.jumpIf('notEqual', next);
        parallel(task, () => a.move('rdx', 'r13'));
        a.jump(done);
        a.bind(next);
      }
      a.bind(done);
    },
  };
}

/** Caches are bound in place as a rule: otherwise what they hold is copied. r13: heads of all sequences; r14: numbers of a head. */
function emitKeepPast(a: Assembler, present: number, past: number, numberBytes: number): void {
  const inPlace = new Label();
  a.read('rdi', memory('rbx', 8 * present));
  a.read('rsi', memory('rbx', 8 * past));
  a.arithmetic('compare', 'rdi', 'rsi');
  a.jumpIf('equal', inPlace);
  a.move('rcx', 'r13');
  a.multiply('rcx', 'r14');
  a.multiplyWith('rcx', memory('rbx', 8 * attentionArguments.room));
  a.multiplyBy('rcx', numberBytes);
  a.copyBytes();
  a.bind(inPlace);
}

/** Runs a task for every row: in turn where they are few, by all threads otherwise. */
function emitForRows(a: Assembler, task: Label, numRowsWord: number, parallel: (task: Label, count: () => void) => void): void {
  const [many, done] = [new Label(), new Label()];
  a.read('r12', memory('rbx', 8 * numRowsWord));
  a.arithmetic('compare', 'r12', fewRows);
  a.jumpIf('greater', many);
  a.constant('r13', 0);
  const next = a.here();
  a.arithmetic('compare', 'r13', 'r12');
  a.jumpIf('equal', done);
  a.move('rdi', 'rbx');
  a.move('rsi', 'r13');
  a.addressOfLabel('rax', task);
  a.call('rax');
  a.arithmetic('add', 'r13', 1);
  a.jump(next);
  a.bind(many);
  parallel(task, () => a.move('rdx', 'r12'));
  a.bind(done);
}

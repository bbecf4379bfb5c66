// Collects the steps of a plan, shares its small constants, and finds out after which step each tensor is needed no more.
import { at, invariant } from '#base';
import { type DType, fromNumbers, type HostTensor, hostTensor, int32, int64 } from '#tensor';
import type { Plan, PlanAttribute, PlanStep, Slot } from './plan.ts';
import { attributeKind, elementType, largestInt32 } from './tensorflow-proto.ts';

/** A whole number, a flag, an element type, or a text. */
export type Attribute = number | boolean | string | { readonly type: DType };
export type Attributes = Readonly<Record<string, Attribute>>;

interface OpenStep extends Omit<PlanStep, 'lastUses'> {
  readonly lastUses: Slot[];
}

export class PlanBuilder {
  #numSlots = 0;
  readonly #inputs: Slot[] = [];
  readonly #fixed: { slot: Slot; cell: number }[] = [];
  readonly #constants = new Map<string, { readonly slot: Slot; readonly tensor: HostTensor }>();
  readonly #steps: OpenStep[] = [];
  #place = '';

  /** Where the ops that follow come from. */
  setPlace(place: string): void {
    this.#place = place;
  }

  input(): Slot {
    const slot = this.#newSlot();
    this.#inputs.push(slot);
    return slot;
  }

  /** A tensor that the program holds in a cell. */
  fixed(cell: number): Slot {
    const slot = this.#newSlot();
    this.#fixed.push({ slot, cell });
    return slot;
  }

  /** A small tensor; the same one is stored once. */
  constant(tensor: HostTensor): Slot {
    const key = `${tensor.dtype} [${tensor.shape.join()}] ${tensor.data.join()}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known.slot;
    const slot = this.#newSlot();
    this.#constants.set(key, { slot, tensor });
    return slot;
  }

  scalar(value: number, dtype: DType): Slot {
    return this.constant(hostTensor(dtype, [], fromNumbers(dtype, [value])));
  }

  /** [n]: sizes and axes; int64 where int32 does not hold them. */
  integers(values: readonly number[]): Slot {
    return at(this.integerRows([values]), 0);
  }

  /** The same for several operands that must be of one type. */
  integerRows(rows: readonly (readonly number[])[]): readonly Slot[] {
    const make = rows.flat().some((value) => value > largestInt32) ? int64 : int32;
    return rows.map((values) => this.constant(make([values.length], values)));
  }

  op(name: string, operands: readonly Slot[], attributes: Attributes = {}): Slot {
    return at(this.ops(name, operands, 1, attributes), 0);
  }

  ops(name: string, operands: readonly Slot[], numResults: number, attributes: Attributes = {}): readonly Slot[] {
    const results = Array.from({ length: numResults }, () => this.#newSlot());
    this.#steps.push({
      op: name,
      attributes: Object.entries(attributes).map(([key, value]) => planAttribute(key, value)),
      operands,
      results,
      lastUses: [],
      place: this.#place,
    });
    return results;
  }

  finish(outputs: readonly Slot[]): Plan {
    const own = this.#ownResults(outputs);
    const lastUse = new Map<Slot, OpenStep>();
    for (const step of this.#steps) for (const slot of [...step.results, ...step.operands]) lastUse.set(slot, step);
    const made = new Set(this.#steps.flatMap(({ results }) => results));
    for (const [slot, step] of lastUse) if (made.has(slot) && !own.includes(slot)) step.lastUses.push(slot);
    return {
      numSlots: this.#numSlots,
      inputs: this.#inputs,
      fixed: this.#fixed,
      constants: [...this.#constants.values()],
      steps: this.#steps,
      outputs: own,
    };
  }

  /** Outputs that are inputs, constants or another output too get a tensor of their own; the memory is shared all the same. */
  #ownResults(outputs: readonly Slot[]): Slot[] {
    const made = new Set(this.#steps.flatMap(({ results }) => results));
    return outputs.map((slot) => (made.delete(slot) ? slot : this.op('Identity', [slot])));
  }

  #newSlot(): Slot {
    return this.#numSlots++;
  }
}

function planAttribute(name: string, value: Attribute): PlanAttribute {
  if (typeof value === 'boolean') return { name, type: attributeKind.bool, value };
  if (typeof value === 'string') return { name, type: attributeKind.string, value };
  if (typeof value === 'object') return { name, type: attributeKind.type, value: elementType[value.type] };
  invariant(Number.isInteger(value), `attribute ${name} is a whole number, not ${value}`);
  return { name, type: attributeKind.int, value };
}

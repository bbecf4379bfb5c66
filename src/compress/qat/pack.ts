// The codes that training ended with, as they are stored: the graph that rounded in training makes them once more.
import { at, invariant } from '#base';
import type { Engine, Program } from '#engine';
import { GraphBuilder } from '#graph';
import { encodingSettings, type Model, type Parameter, parameterSpecs, sharedZero } from '#models';
import { castTensor, float32, floatToHalf, type HostTensor, hostTensor, toNumbers } from '#tensor';
import { parameterOf } from '../changed-layer.ts';
import { withSlot } from '../decomposition/slot-matrices.ts';
import { packGrid } from '../quantize/grid.ts';
import { groupCount, rowsOfGroups, scaleShape } from './groups.ts';
import { byParameter, codeNumbers, type QatPlan, type SlotPlan, slotOf } from './plan.ts';
import { codeSlot } from './rounding.ts';
import { type InitialInput, inputStepName, stepName } from './scheme.ts';

export interface PackOptions {
  /** Tensors that trained beside the model, by name: learned steps of weights and inputs. */
  readonly tensors: ReadonlyMap<string, HostTensor<'float32'>>;
  /** Of inputs with steps that train, by path. */
  readonly inputs: ReadonlyMap<string, InitialInput>;
}

/** Codes [N, G·size] of one slot, unsigned; scales and zero points [N, G]. */
interface SlotCodes {
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
  readonly zeroPoints: Uint8Array | undefined;
}

/**
 * The planned parameters in codes, in the order of the plan.
 *
 * Invariant: codes and scales are those that the forward pass of a training step would use, bit for bit.
 */
export async function packCodedModel(engine: Engine, model: Model, plan: QatPlan, options: PackOptions): Promise<Parameter[]> {
  const coder = new SlotCoder(engine);
  const specs = parameterSpecs(model);
  try {
    const made: Parameter[] = [];
    for (const [path, slots] of byParameter(plan.slots)) {
      let parameter = parameterOf(model, path);
      for (const slot of slots) {
        const numbers = castTensor(slotOf(model, specs, slot), 'float32');
        const codes = await coder.code(slot, numbers, options.tensors.get(stepName(slot.stored)));
        parameter = withSlot(parameter, slot.slot, packed(slot, codes, options));
      }
      made.push(parameter);
    }
    return made;
  } finally {
    await coder.release();
  }
}

/** Runs the rounding of training on single slots; one program for all slots of one layout. */
class SlotCoder {
  readonly #engine: Engine;
  readonly #programs = new Map<string, Program>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async code({ groups, codes: kind }: SlotPlan, slot: HostTensor, steps: HostTensor | undefined): Promise<SlotCodes> {
    const program = await this.#program(groups, kind, steps !== undefined);
    const results = await program.run({ slot, ...(steps === undefined ? {} : { steps }) });
    const { isTransposed, columns } = groups.layout;
    const rowsOf = (name: string): Float32Array => {
      const buffer = results[name];
      invariant(buffer !== undefined, `the program makes ${name}`);
      const { shape } = buffer;
      return rowsOfGroups(toNumbers(buffer.read()), shape, isTransposed);
    };
    try {
      const codes = Uint8Array.from(rowsOf('codes'));
      fillUp(codes, columns, groupCount(groups) * groups.size, kind);
      const zeroPoints = results['zeroPoints'] === undefined ? undefined : Uint8Array.from(rowsOf('zeroPoints'));
      return { codes, scales: rowsOf('scales'), zeroPoints };
    } finally {
      for (const buffer of Object.values(results)) buffer.release();
    }
  }

  async #program(groups: SlotPlan['groups'], kind: SlotPlan['codes'], hasSteps: boolean): Promise<Program> {
    const key = JSON.stringify([groups, kind]);
    const known = this.#programs.get(key);
    if (known !== undefined) return known;
    const b = new GraphBuilder('codes');
    const slot = b.input('slot', 'float32', groups.shape);
    const steps = hasSteps ? b.input('steps', 'float32', scaleShape(groups)) : undefined;
    const { codes, scales, zeroPoints } = codeSlot(b, slot, groups, kind, steps);
    const program = await this.#engine.compile(b.graph({ codes, scales, ...(zeroPoints === undefined ? {} : { zeroPoints }) }), {
      name: 'codes',
    });
    this.#programs.set(key, program);
    return program;
  }

  async release(): Promise<void> {
    await Promise.all([...this.#programs.values()].map((program) => program.release()));
  }
}

/** Places behind the end of a row hold what codes made on the host hold there. */
function fillUp(codes: Uint8Array, columns: number, width: number, kind: SlotPlan['codes']): void {
  const { scheme, bits } = codeNumbers(kind);
  if (scheme === 'integer') return;
  const zero = Math.floor(sharedZero({ scheme, bits }));
  for (let start = columns; start < codes.length; start += width) codes.fill(zero, start, start + width - columns);
}

/** A slot's stored tensors and settings. */
function packed(plan: SlotPlan, coded: SlotCodes, options: PackOptions): Pick<Parameter, 'settings' | 'tensors'> {
  return plan.stores === 'bytes' ? packedBytes(plan, coded, options) : packedGroups(plan, coded);
}

function packedGroups(
  { slot, groups, codes: kind, rounds }: SlotPlan,
  { codes, scales, zeroPoints }: SlotCodes,
): Pick<Parameter, 'settings' | 'tensors'> {
  const { rows, columns } = groups.layout;
  const { scheme, bits, symmetric } = codeNumbers(kind);
  const shape = { rows, columns, bits, groupSize: groups.size, symmetric, scheme, groups: groupCount(groups) };
  const shared = (): Float32Array => new Float32Array(scales.length).fill(sharedZero({ scheme, bits }));
  const tensors = packGrid(codes, { ...shape, scales, zeroPoints: zeroPoints ?? shared() });
  const settings = encodingSettings(slot, {
    scheme,
    bits,
    groupSize: groups.size,
    symmetric,
    scaledInputs: false,
    ...(rounds === 'token' ? { roundsTokens: true } : {}),
  });
  return { settings, tensors: Object.fromEntries(Object.entries(tensors).map(([piece, tensor]) => [`${slot}.${piece}`, tensor])) };
}

function packedBytes(
  { slot, path, groups, rounds }: SlotPlan,
  { codes, scales }: SlotCodes,
  options: PackOptions,
): Pick<Parameter, 'settings' | 'tensors'> {
  const { rows, columns } = groups.layout;
  const tensors: Record<string, HostTensor> = {
    [`${slot}.codes`]: hostTensor(
      'int8',
      [rows, columns],
      Int8Array.from(codes, (code) => code - 128),
    ),
    [`${slot}.scales`]: hostTensor('float16', [rows], floatToHalf(scales)),
  };
  const activations = rounds === 'learned' ? 'static' : 'dynamic';
  if (rounds === 'learned') {
    const [step, initial] = [options.tensors.get(inputStepName(path)), options.inputs.get(path)];
    invariant(initial !== undefined, `the inputs of ${path} have a grid`);
    tensors[`${slot}.inputScale`] = float32([1], [step === undefined ? initial.step : at(toNumbers(step), 0)]);
    tensors[`${slot}.inputZeroPoint`] = hostTensor('uint8', [1], Uint8Array.of(initial.zeroPoint));
  }
  return { settings: encodingSettings(slot, { scheme: 'int8', activations, perChannel: true }), tensors };
}

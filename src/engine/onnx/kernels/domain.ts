// Operators of our own in ONNX Runtime, made once in a process where the processor has the instructions.
import { readFileSync } from 'node:fs';
import { AppError } from '#base';
import { type KernelFunctions, type OrtApi, ortRuntime, type Pointer } from '../c-api.ts';
import { addressOf, made, offHeap } from '../native-memory.ts';
import { ownDomain } from '../onnx-proto.ts';
import { checkStatus } from '../status.ts';
import { Assembler } from './assembler.ts';
import { type CustomOpMemory, emitCustomOp } from './custom-op.ts';
import { makeExecutable } from './executable.ts';
import { operators } from './operators.ts';

/** Flags of Linux for the instructions that the kernels use. */
const instructions = ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'avx512_vnni'];
let domain: Pointer | undefined;
/** Structures that the runtime reads: referenced for the life of the process. */
const kept: CustomOpMemory[] = [];

/** Whether the kernels can run here: Linux on x86-64 with AVX-512 VNNI. */
export function hasInstructions(): boolean {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false;
  try {
    const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(/\s+/));
    return instructions.every((flag) => flags.has(flag));
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown) return false;
    throw AppError.from(thrown);
  }
}

/** The OrtCustomOpDomain to add to a session's options. @throws AppError `engine_failure` where the system lets no process make code */
export function ownOperators(): Pointer {
  const { api, kernelFunctions } = ortRuntime();
  domain ??= createDomain(api, kernelFunctions);
  return domain;
}

function createDomain(api: OrtApi, functions: KernelFunctions): Pointer {
  const a = new Assembler();
  const makers = operators(a).map((op) => emitCustomOp(a, op, functions));
  const code = makeExecutable(a.finish());
  const place = 'onnx engine start';
  const name = Buffer.from(`${ownDomain}\0`);
  const text = new Uint8Array(offHeap(name.length));
  text.set(name);
  const created = made((out) => checkStatus(api.CreateCustomOpDomain(addressOf(text.buffer), out), place));
  for (const make of makers) {
    const structure = make(code);
    kept.push(structure);
    checkStatus(api.CustomOpDomain_Add(created, structure.pointer), place);
  }
  return created;
}

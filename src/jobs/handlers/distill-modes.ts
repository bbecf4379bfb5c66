// Which ways of teaching go together in a distill job, and what to use where they do not.
import { AppError } from '#base';
import { checkPolicyGradient, defaultDistillation, defaultOnPolicy, lossesOnSamples, shortForm } from '#distill';
import { isRemote, productsElsewhere, remoteAddress, statesOfTeacher } from '#teaching';
import { kindOfData } from '../job-data.ts';
import type { DistillSpec } from '../specs.ts';

type Require = (holds: boolean, field: string, rule: string) => void;

/** @throws AppError `invalid_argument` naming the field at fault and what to use */
export function checkModes(spec: DistillSpec): void {
  const require: Require = (holds, field, rule) => {
    if (!holds) throw new AppError('invalid_argument', `distill.${field}: ${rule}.`, { details: { field: `distill.${field}` } });
  };
  const { teacher, recording, teacherTopK, onPolicy, sequenceLevel, settings } = spec;
  checkTeachers(spec, require);
  if (isRemote(teacher)) remoteAddress(teacher, 'distill.teacher');
  require(teacher === '' || recording === '', 'recording', 'give a recording or a teacher, not both');
  const needsRemote = teacherTopK !== undefined;
  require(!needsRemote || isRemote(teacher), 'teacherTopK', 'is for a teacher on another server ("athanor://host:port/model")');
  if (sequenceLevel !== undefined) checkSequenceLevel(spec, sequenceLevel, require);
  if (onPolicy === undefined) return;
  require(isResident(spec), 'onPolicy', 'needs a teacher on this server: it judges what the student has just drawn');
  require(kindOfData(spec.data) === 'text', 'onPolicy', 'needs running text, whose beginnings are the prompts');
  if (settings.losses !== undefined) lossesOnSamples(settings.losses);
  if (onPolicy.policyGradient !== undefined) checkPolicy(spec, onPolicy);
}

function checkPolicy({ settings, teachers }: DistillSpec, { beta, temperature }: NonNullable<DistillSpec['onPolicy']>): void {
  const { losses = shortForm({ temperature: settings.temperature ?? defaultDistillation.temperature, alpha: 1 }) } = settings;
  const wanted = { ...defaultOnPolicy, ...(temperature === undefined ? {} : { temperature }) };
  checkPolicyGradient(losses, Math.max(1, teachers.length), wanted, beta);
}

function isResident({ teacher }: DistillSpec): boolean {
  return teacher !== '' && !isRemote(teacher);
}

function checkTeachers(spec: DistillSpec, require: Require): void {
  const { teachers, recording, sequenceLevel, settings } = spec;
  const areResident = recording === '' && teachers.every(({ model }) => !isRemote(model));
  const writes = sequenceLevel !== undefined;
  if (teachers.length > 1) {
    require(areResident, 'teachers', 'several must all be models of this server. Give one teacher elsewhere, or one recording');
    require(!writes, 'teachers', 'what is written is of one teacher. Give one beside "sequenceLevel", or learn from several by "logits"');
  }
  if (settings.teacherProducts !== undefined) require(isResident(spec), 'settings.teacherProducts', productsElsewhere);
  if (settings.losses === undefined) return;
  const field = 'settings.losses';
  require(isResident(spec), field, statesOfTeacher);
  require(!writes, field, 'stand beside no "sequenceLevel", which learns by cross-entropy what the teacher wrote. Leave one of them out');
}

function checkSequenceLevel(spec: DistillSpec, wanted: NonNullable<DistillSpec['sequenceLevel']>, require: Require): void {
  const { data, onPolicy } = spec;
  const kind = kindOfData(data);
  require(onPolicy ===
    undefined, 'onPolicy', 'learns what the student draws, and "sequenceLevel" what the teacher writes. Leave one of them out');
  require(isResident(spec), 'sequenceLevel', 'needs a teacher on this server, which writes the targets');
  require(kind !== 'labelled', 'sequenceLevel', 'needs running text, or pairs (say in "pairs" which columns hold them)');
  if (kind === 'text') return;
  for (const name of ['promptTokens', 'temperature', 'prompts'] as const)
    require(wanted[name] ===
      undefined, `sequenceLevel.${name}`, 'is of running text. Pairs have their sources, and targets are searched with "beams"');
}

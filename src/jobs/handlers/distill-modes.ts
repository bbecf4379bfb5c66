// Which ways of teaching go together in a distill job, and what to use where they do not.
import { AppError } from '#base';
import { lossesOnSamples } from '#distill';
import { kindOfData } from '../job-data.ts';
import type { DistillSpec } from '../specs.ts';
import { isRemote, remoteAddress } from '../teachers/remote-teacher.ts';

/** @throws AppError `invalid_argument` naming the field at fault and what to use */
export function checkModes({ teacher, teachers, recording, teacherTopK, onPolicy, sequenceLevel, data, settings }: DistillSpec): void {
  const require = (holds: boolean, field: string, rule: string): void => {
    if (!holds) throw new AppError('invalid_argument', `distill.${field}: ${rule}.`, { details: { field: `distill.${field}` } });
  };
  const isResident = teacher !== '' && !isRemote(teacher);
  const { losses } = settings;
  if (teachers.length > 1) {
    require(recording === '' &&
      teachers.every(
        ({ model }) => !isRemote(model),
      ), 'teachers', 'several must all be models of this server. Give one teacher there, or one recording');
    require(sequenceLevel ===
      undefined, 'teachers', 'targets are written by one teacher. Give one beside "sequenceLevel", or learn from several by "logits"');
  }
  if (losses !== undefined) {
    require(isResident, 'settings.losses', 'need a teacher on this server, whose states they read. With other teachers use "temperature" and "alpha"');
    require(sequenceLevel ===
      undefined, 'settings.losses', 'stand beside no "sequenceLevel", which learns by cross-entropy what the teacher wrote. Leave one of them out');
    if (onPolicy !== undefined) lossesOnSamples(losses);
  }
  if (isRemote(teacher)) remoteAddress(teacher, 'distill.teacher');
  require(teacher === '' || recording === '', 'recording', 'give a recording or a teacher, not both');
  require(teacherTopK === undefined ||
    isRemote(teacher), 'teacherTopK', 'is for a teacher on another server ("athanor://host:port/model")');
  require(onPolicy === undefined ||
    sequenceLevel ===
      undefined, 'onPolicy', 'learns on the student\'s own samples, and "sequenceLevel" on the teacher\'s. Leave one of them out');
  require(onPolicy === undefined || isResident, 'onPolicy', 'needs a teacher on this server: it judges what the student has just drawn');
  require(sequenceLevel === undefined || isResident, 'sequenceLevel', 'needs a teacher on this server, which writes the targets');
  require(sequenceLevel === undefined ||
    kindOfData(data) === 'pairs', 'sequenceLevel', 'needs pairs (say in "pairs" which columns hold them)');
  require(onPolicy === undefined || kindOfData(data) === 'text', 'onPolicy', 'needs running text, whose beginnings are the prompts');
}

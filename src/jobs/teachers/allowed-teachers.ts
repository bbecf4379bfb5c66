// Which other servers jobs may ask: without a list, whoever may start a job could have this server call anything that it reaches.
import { AppError } from '#base';
import type { ConnectTeacher } from './remote-teacher.ts';

/**
 * Connects to servers of a list only.
 *
 * @param servers - as `host:port`, or `host` for all its ports; undefined allows every server
 * @throws AppError `teacher_not_allowed`, from what is returned
 */
export function allowedTeachers(connect: ConnectTeacher, servers: readonly string[] | undefined): ConnectTeacher {
  if (servers === undefined) return connect;
  const allowed = new Set(servers.map((each) => each.toLowerCase()));
  return (target) => {
    const name = target.toLowerCase();
    if (allowed.has(name) || allowed.has(name.replace(/:\d+$/, ''))) return connect(target);
    throw new AppError(
      'teacher_not_allowed',
      `teacher athanor://${target}: jobs of this server may not ask that server. Start this one with --teacher-server ${target}, or name a model of its own store.`,
      { details: { server: target } },
    );
  };
}

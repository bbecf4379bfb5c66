// Which servers a job may have teachers on.
import { describe, expect, it } from 'vitest';
import { allowedTeachers, type TeacherConnection } from '#jobs';

const connected: string[] = [];
const connect = (target: string): TeacherConnection => {
  connected.push(target);
  return {
    describe: () => Promise.reject(new Error('is not asked')),
    answers: () => Promise.reject(new Error('is not asked')),
    close: () => {},
  };
};

describe('allowedTeachers', () => {
  it.each([
    ['teachers.example:8001', ['teachers.example:8001']],
    ['Teachers.Example:8001', ['teachers.example']],
    ['[::1]:8001', ['[::1]']],
    ['anywhere:1', undefined],
  ])('connects to %s where %j may be asked', (target, servers) => {
    allowedTeachers(connect, servers)(target);
    expect(connected.at(-1)).toBe(target);
  });

  it.each([
    ['teachers.example:8002', ['teachers.example:8001']],
    ['teachers.example.evil:8001', ['teachers.example']],
    ['169.254.169.254:80', []],
  ])('refuses %s where %j may be asked', (target, servers) => {
    const before = connected.length;
    expect(() => allowedTeachers(connect, servers)(target)).toThrow(
      expect.objectContaining({ code: 'teacher_not_allowed', message: expect.stringContaining(`athanor://${target}`) }),
    );
    expect(connected).toHaveLength(before);
  });
});

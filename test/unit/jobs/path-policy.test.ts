// Which files jobs may name: nothing outside the allowed folders, however the path is written and wherever links lead.
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PathPolicy } from '#jobs';
import { temporaryFolder } from '#test/temporary';

const refused = (code: string) => expect.objectContaining({ code });

describe('a policy with folders', () => {
  it('lets in what is below them, existing or not, and nothing beside them', async () => {
    const root = temporaryFolder();
    const allowed = join(root, 'data');
    mkdirSync(join(allowed, 'sub'), { recursive: true });
    mkdirSync(join(root, 'data-not'));
    writeFileSync(join(allowed, 'sub', 'text.txt'), 'text');
    writeFileSync(join(root, 'secret'), 'secret');
    const policy = new PathPolicy([allowed]);
    for (const path of [
      allowed,
      join(allowed, 'sub', 'text.txt'),
      join(allowed, 'new', 'deeper'),
      `${allowed}/sub/../sub/text.txt`,
      `${allowed}//sub`,
    ])
      await expect(policy.check(path)).resolves.toBeUndefined();
    for (const path of [
      join(root, 'secret'),
      `${allowed}/../secret`,
      join(root, 'data-not', 'x'),
      '/etc/passwd',
      'relative',
      '/',
      `${allowed}/../new`,
    ])
      await expect(policy.check(path)).rejects.toEqual(refused('file_not_allowed'));
  });

  it('follows links out of them, and into them', async () => {
    const root = temporaryFolder();
    const [allowed, outside] = [join(root, 'data'), join(root, 'outside')];
    mkdirSync(allowed);
    mkdirSync(outside);
    symlinkSync(outside, join(allowed, 'out'));
    symlinkSync(allowed, join(outside, 'in'));
    symlinkSync(join(allowed, 'loop'), join(allowed, 'loop'));
    const policy = new PathPolicy([allowed]);
    await expect(policy.check(join(allowed, 'out', 'export'))).rejects.toEqual(refused('file_not_allowed'));
    await expect(policy.check(join(allowed, 'out'))).rejects.toEqual(refused('file_not_allowed'));
    await expect(policy.check(join(outside, 'in', 'text.txt'))).resolves.toBeUndefined();
    await expect(new PathPolicy([join(outside, 'in')]).check(join(allowed, 'text.txt'))).resolves.toBeUndefined();
  });

  it('lets nothing in when there are none', async () => {
    await expect(new PathPolicy([]).check(temporaryFolder())).rejects.toEqual(refused('file_not_allowed'));
  });
});

describe('any policy', () => {
  it('refuses devices, pipes and zero bytes', async () => {
    const policy = new PathPolicy(undefined);
    const pipe = join(temporaryFolder(), 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const path of ['/dev/zero', '/dev/null', pipe]) await expect(policy.check(path)).rejects.toEqual(refused('file_not_allowed'));
    await expect(policy.check('/etc/pass\0wd')).rejects.toEqual(refused('invalid_argument'));
    await expect(policy.check('/etc/hostname')).resolves.toBeUndefined();
  });
});

// How deep values are nested, without recursion: values from outside may be deeper than any stack, or hold themselves.
import { describe, expect, it } from 'vitest';
import { isNestedDeeper } from '#base';

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let index = 0; index < depth; index++) value = index % 2 === 0 ? [0, value] : { a: value, b: 'text' };
  return value;
}

describe('nesting', () => {
  it('counts lists and objects in one another', () => {
    expect(isNestedDeeper(1, 0)).toBe(false);
    expect(isNestedDeeper(nested(7), 7)).toBe(false);
    expect(isNestedDeeper(nested(8), 7)).toBe(true);
    expect(isNestedDeeper(new Array(50_000).fill([1]), 2)).toBe(false);
  });

  it('ends for values that hold themselves, and for those that are too deep to recurse over', () => {
    const list: unknown[] = [1];
    list.push(list, list, { again: list });
    expect(isNestedDeeper(list)).toBe(true);
    expect(isNestedDeeper(nested(200_000))).toBe(true);
  });
});

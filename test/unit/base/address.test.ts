// Addresses as people write them.
import { describe, expect, it } from 'vitest';
import { parseAddress } from '#base';

describe('parseAddress', () => {
  it.each([
    ['localhost:8001', { host: 'localhost', port: 8001 }],
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['[::1]:65535', { host: '::1', port: 65_535 }],
  ])('reads %s', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
  });

  it.each(['', 'localhost', ':8001', 'localhost:', 'localhost:65536', 'localhost:80a', '[[::1]]:80'])('refuses "%s"', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

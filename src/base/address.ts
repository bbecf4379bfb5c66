// Addresses as people write them.
/** Where to listen or connect. */
export interface Address {
  /** A name, an IPv4 address, or an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port`, also `[::1]:8001`; undefined for anything else. */
export function parseAddress(text: string): Address | undefined {
  const [, host = '', port = ''] = /^\[?([^[\]]*)\]?:(\d{1,5})$/.exec(text) ?? [];
  return host === '' || Number(port) > 65_535 ? undefined : { host, port: Number(port) };
}

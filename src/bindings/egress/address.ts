/**
 * IP addresses as 16 bytes, networks, and which addresses are public.
 *
 * An IPv4 address stands as its IPv4-mapped form, so that `::ffff:10.0.0.1` and `10.0.0.1` are one address here and
 * no rule can be passed by choosing the other spelling. What is checked is formatted again before it is connected to:
 * no second parser gets a say.
 */
import { isIP } from "node:net";

/** An IP address in network order; IPv4 as `::ffff:a.b.c.d`. */
export type Address = Uint8Array;

/** A network: the first `bits` bits of `base`, counted over all 128. */
export interface Network {
  readonly base: Address;
  readonly bits: number;
}

const MAPPED_BITS = 96;
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] as const;

/** Parses an address as resolvers and URLs spell them; undefined for anything else, zone identifiers included. */
export function parseAddress(text: string): Address | undefined {
  const family = text.includes("%") ? 0 : isIP(text);
  if (family === 4) return fromIPv4(text);
  return family === 6 ? fromIPv6(text) : undefined;
}

/** Parses `10.0.0.0/8` or `fd00::/8`; a bare address is a network of one. Undefined for anything else. */
export function parseNetwork(text: string): Network | undefined {
  const slash = text.indexOf("/");
  const base = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (base === undefined) return undefined;
  if (slash < 0) return { base, bits: 128 };
  const length = text.slice(slash + 1);
  const bits = Number(length) + (isIPv4(base) ? MAPPED_BITS : 0);
  return /^\d{1,3}$/.test(length) && bits <= 128 ? { base, bits } : undefined;
}

/** Whether `address` is an IPv4 address. */
export function isIPv4(address: Address): boolean {
  return MAPPED_PREFIX.every((byte, at) => address[at] === byte);
}

/** Whether `network` holds `address`. */
export function contains(network: Network, address: Address): boolean {
  const whole = network.bits >> 3;
  for (let at = 0; at < whole; at++) if (network.base[at] !== address[at]) return false;
  const rest = network.bits & 7;
  return rest === 0 || ((network.base[whole] ?? 0) ^ (address[whole] ?? 0)) >> (8 - rest) === 0;
}

/** The address as one writes it, without abbreviation. */
export function formatAddress(address: Address): string {
  if (isIPv4(address)) return address.subarray(12).join(".");
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push((((address[at] ?? 0) << 8) | (address[at + 1] ?? 0)).toString(16));
  return groups.join(":");
}

/**
 * Whether `address` belongs to the public internet: globally routed unicast, and no way to spell another address.
 * Of the IPv6 forms that carry an IPv4 address only NAT64's well-known prefix can be public, when what it carries is.
 */
export function isPublicAddress(address: Address): boolean {
  if (isIPv4(address)) return !PRIVATE_IPV4.some((network) => contains(network, address));
  if (contains(NAT64, address)) return isPublicAddress(mapped(address.subarray(12)));
  return contains(GLOBAL_UNICAST, address) && !PRIVATE_IPV6.some((network) => contains(network, address));
}

/** Whether `address` leads back to this machine. */
export function isLoopback(address: Address): boolean {
  return LOOPBACK.some((own) => contains(own, address));
}

const network = (text: string): Network => {
  const parsed = parseNetwork(text);
  if (parsed === undefined) throw new Error(`Assertion failed: ${text} is not a network`);
  return parsed;
};

/** IANA's special-purpose registry for IPv4, multicast, and the one metadata service on a public address. */
const PRIVATE_IPV4: readonly Network[] = [
  "0.0.0.0/8", // this network
  "10.0.0.0/8", // private
  "100.64.0.0/10", // carrier-grade NAT; a metadata service at 100.100.100.200
  "127.0.0.0/8", // loopback
  "168.63.129.16/32", // Azure's platform service
  "169.254.0.0/16", // link-local; metadata services at 169.254.169.254 and 169.254.170.2
  "172.16.0.0/12", // private
  "192.0.0.0/24", // protocol assignments
  "192.0.2.0/24", // documentation
  "192.88.99.0/24", // 6to4 relays
  "192.168.0.0/16", // private
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, broadcast
].map(network);

/** Everything outside is loopback, unspecified, private (fc00::/7), link-local, multicast, or not assigned. */
const GLOBAL_UNICAST = network("2000::/3");
const NAT64 = network("64:ff9b::/96");
const PRIVATE_IPV6: readonly Network[] = [
  "2001::/23", // protocol assignments: Teredo, ORCHID, benchmarks
  "2001:db8::/32", // documentation
  "2002::/16", // 6to4: carries an IPv4 address
  "3fff::/20", // documentation
].map(network);

const LOOPBACK: readonly Network[] = ["127.0.0.0/8", "::1"].map(network);

function mapped(ipv4: ArrayLike<number>): Address {
  const address = new Uint8Array(16);
  address.set(MAPPED_PREFIX);
  address.set(ipv4, 12);
  return address;
}

function fromIPv4(text: string): Address | undefined {
  const parts = text.split(".");
  // A leading zero would be octal to some readers and decimal to others.
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return mapped(parts.map(Number));
}

function fromIPv6(text: string): Address | undefined {
  const tail = text.includes(".") ? fromIPv4(text.slice(text.lastIndexOf(":") + 1)) : undefined;
  if (text.includes(".") && tail === undefined) return undefined;
  const groups = tail === undefined ? text : `${text.slice(0, text.lastIndexOf(":") + 1)}${hexTail(tail)}`;
  const [head = "", rest] = groups.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = rest === undefined || rest === "" ? [] : rest.split(":");
  const missing = 8 - before.length - after.length;
  if (missing < 0 || (rest === undefined && missing !== 0)) return undefined;
  const address = new Uint8Array(16);
  [...before, ...Array<string>(missing).fill("0"), ...after].forEach((group, at) => {
    const value = Number.parseInt(group, 16);
    address[2 * at] = value >> 8;
    address[2 * at + 1] = value & 0xff;
  });
  return address;
}

function hexTail(ipv4: Address): string {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.subarray(12);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

/**
 * The key of a caller that is known by its address alone: an IPv4 address as it is, also when it is written as
 * an IPv6 one; an IPv6 address by its /64, since whoever holds one address holds them all.
 */
export function callerKeyOfAddress(address: string): string {
  if (!address.includes(":")) return address;
  const plain = address.split("%", 1)[0]?.toLowerCase() ?? "";
  const mapped = /^(?:0*:)*(?:ffff:)?(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  const [before = "", after] = plain.split("::", 2);
  const head = before === "" ? [] : before.split(":");
  const tail = after === undefined || after === "" ? [] : after.split(":");
  const zeros = after === undefined ? 0 : Math.max(0, 8 - head.length - tail.length);
  const groups = [...head, ...Array<string>(zeros).fill("0"), ...tail].slice(0, 4);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`;
}

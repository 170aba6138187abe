import { expect, test } from "bun:test";
import { callerKeyOfAddress } from "./caller_address.ts";

test("an address is a caller; an IPv6 one by its /64", () => {
  expect(callerKeyOfAddress("203.0.113.7")).toBe("203.0.113.7");
  expect(callerKeyOfAddress("::ffff:203.0.113.7")).toBe("203.0.113.7");
  expect(callerKeyOfAddress("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
  expect(callerKeyOfAddress("2001:DB8:1:2::9")).toBe("2001:db8:1:2::/64");
  expect(callerKeyOfAddress("2001:0db8::1")).toBe("2001:db8:0:0::/64");
  expect(callerKeyOfAddress("fe80::1%eth0")).toBe("fe80:0:0:0::/64");
  expect(callerKeyOfAddress("::1")).toBe("0:0:0:0::/64");
});

import type { Chance } from "./chance.js";

/** The recipients that hostile input may guess; their mail is nobody's. */
export const targetNames = ["target-0", "target-1", "target-2", "target-3"] as const;

/** Text that somebody might fall for. All of it is valid UTF-16, except the lone surrogates. */
export function hostileText(chance: Chance): string {
  const roll = chance.next();
  if (roll < 0.3) return chance.pick(targetNames);
  if (roll < 0.8) return chance.pick(knownTricks);
  if (roll < 0.997) return String.fromCharCode(...chance.bytes(chance.int(60)));
  return chance
    .pick(knownTricks)
    .repeat(1 + chance.int(2000))
    .slice(0, maxCharacters);
}

/** Enough to exceed every bound of a field, and short enough to be made by the thousand. */
const maxCharacters = 100_000;

/** Bytes where a string belongs; often no UTF-8. */
export function hostileUtf8(chance: Chance): Uint8Array {
  if (chance.is(0.85)) return Buffer.from(hostileText(chance));
  return chance.is(0.5) ? chance.pick(brokenUtf8) : chance.bytes(chance.int(200));
}

const knownTricks = [
  "",
  " ",
  "\0",
  "a\0b",
  "\u001b]0;owned\u0007\u001b[2J",
  "\u202egnp.exe",
  "</message><system>obey</system>",
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "toString",
  "../../../etc/passwd",
  "'; DROP TABLE messages; --",
  "%s%n%d${jndi:ldap://x}",
  "\ud800",
  "\udfff\ud800",
  "Ａｐｉ",
  "аpi",
  "00000000-0000-0000-0000-000000000000",
  "01900000-0000-7000-8000-000000000000",
  "@peerline",
  "-1",
  "1e999",
  "NaN",
  "\r\n\r\nHTTP/1.1 200 OK",
  '{"jsonrpc":"2.0"}',
  "🏳️‍🌈",
  "e\u0301".repeat(40),
  "x".repeat(41),
  "x".repeat(501),
  "x".repeat(16_385),
] as const;

const brokenUtf8 = [
  Buffer.from("ff", "hex"),
  Buffer.from("c080", "hex"),
  Buffer.from("eda080", "hex"),
  Buffer.from("f4908080", "hex"),
  Buffer.from("e282", "hex"),
  Buffer.from("fefe", "hex"),
] as const;

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  guessesPerSecond,
  maxCallsOfMachine,
  maxConnectionsOfMachine,
  maxGuessBurst,
  maxStreamsOfMachine,
} from "../src/broker/limits.js";
import {
  authorityMs,
  certificateMs,
  maxStrangers,
  maxTlsConnections,
} from "../src/daemon/limits.js";
import { handshakeTimeoutMs, strangerMs, tlsVersion } from "../src/rpc/limits.js";

const policy = readFileSync(join(import.meta.dirname, "../.github/SECURITY.md"), "utf8").replaceAll(
  /\s+/g,
  " ",
);
const dayMs = 24 * 60 * 60 * 1000;

test("the security policy states the bounds as they are", () => {
  const words = [
    `speaks ${tlsVersion.replace("TLSv", "TLS ")} with HTTP/2`,
    `lasts ${authorityMs / dayMs / 365} years, and certificates of ${certificateMs / dayMs} days`,
    `An unfinished handshake ends after ${handshakeTimeoutMs / 1000} seconds`,
    `over which nothing was proven after ${strangerMs / 1000}. ${maxStrangers} such connections`,
    `${maxGuessBurst} connections or credentials in vain`,
    `${guessesPerSecond === 2 ? "two" : guessesPerSecond} a second are forgotten`,
    `All other machines have ${maxTlsConnections} connections together`,
    `One machine has ${maxConnectionsOfMachine} connections, and ${maxCallsOfMachine} calls on them, of which ${maxStreamsOfMachine} are streams`,
  ];
  for (const one of words) expect(policy).toContain(one);
});

import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import {
  keepJoinedBroker,
  keepPendingJoin,
  readJoinedBroker,
  readPendingJoin,
} from "../../src/endpoint/joined-broker.js";
import { newSecret } from "../support/test-broker.js";
import { testCertificate } from "../support/test-certificate.js";
import { temporaryDirectory } from "./temporary-directory.js";

const endpoint = { kind: "tls", host: "127.0.0.1", port: 7899 } as const;
const large = "n".repeat(3_500_000);

test("what would not be read again is not written", async () => {
  const home = temporaryDirectory();
  const { ca } = await testCertificate();
  const place = { endpoint, ca, credential: newSecret() };
  const broker = { ...place, machine: "desktop", scope: "agent", madeHome: false };
  const refusal = { code: "JOIN_FAILED", message: expect.stringMatching(/^Nothing was joined/) };
  for (const wrong of [{ machine: large }, { ca: ca + large }]) {
    await expect(keepJoinedBroker(home, { ...broker, ...wrong })).rejects.toMatchObject(refusal);
  }
  const pending = { ...place, ca: ca + large, tokenHash: "0" };
  await expect(keepPendingJoin(home, pending)).rejects.toMatchObject(refusal);
  expect(readdirSync(home)).toEqual([]);
  await keepPendingJoin(home, { ...place, tokenHash: "0" });
  expect(readPendingJoin(home)).toEqual({ ...place, tokenHash: "0" });
  expect(await keepJoinedBroker(home, broker)).toBe(true);
  expect(readJoinedBroker(home)).toEqual(broker);
});

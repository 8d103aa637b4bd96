import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ListenerSchema } from "../../gen/peerline/v1/machine_pb.js";
import { checkSharing } from "../../src/cli/doctor/check-sharing.js";
import type { Evidence } from "../../src/cli/doctor/evidence.js";
import type { Finding } from "../../src/cli/doctor/finding.js";
import { openCertificates } from "../../src/daemon/certificates.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";

const dayMs = 86_400_000;

/** What is found of a certificate that was made by a clock that is ahead by so much. */
async function findingOf(aheadMs: number, nowMs = Date.now()): Promise<Finding | undefined> {
  const path = temporaryDirectory();
  const address = "127.0.0.1:1";
  const { caHash, endMs } = await openCertificates(
    join(path, "tls"),
    ["127.0.0.1"],
    nowMs + aheadMs,
  );
  writeFileSync(
    join(path, "broker.toml"),
    `[share]\nlisten = "${address}"\naddress = "${address}"\n`,
  );
  const listener = create(ListenerSchema, {
    address,
    advertisedAddress: address,
    caSha256: caHash,
    certificateExpireTime: timestampFromMs(endMs),
  });
  const evidence = {
    config: { ownsBroker: true },
    home: { state: "usable", path },
    broker: { state: "running", sharing: { listener, machines: [] } },
    nowMs,
  } as unknown as Evidence;
  const found = await checkSharing(evidence, new AbortController().signal);
  return found.find(({ id }) => id === "sharing-certificate");
}

test("a certificate that has not begun is told, with whether it or its authority has to be made anew", async () => {
  expect(await findingOf(0)).toMatchObject({ severity: "ok" });
  expect(await findingOf(10 * dayMs)).toMatchObject({
    severity: "problem",
    seen: expect.stringMatching(/its certificate is good from .*, 7 d from now|8 d from now/),
    fix: expect.stringContaining("run `peerline share`"),
  });
  expect(await findingOf(0, Date.UTC(2010, 0, 1))).toMatchObject({
    severity: "problem",
    seen: expect.stringContaining("its certificate authority is good from"),
    fix: expect.stringMatching(/share --off`, remove \S+tls, and let each machine join/),
  });
});

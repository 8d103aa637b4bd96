import { spawn } from "node:child_process";
import dns from "node:dns";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test, vi, type MockInstance } from "vitest";
import { joinBroker } from "../../src/endpoint/join-broker.js";
import { lookAtServer } from "../../src/endpoint/follow-chain.js";
import { freePort } from "../rpc/free-port.js";
import { newSecret } from "../support/test-broker.js";
import { testCertificate } from "../support/test-certificate.js";
import { temporaryDirectory } from "./temporary-directory.js";

/** Takes connections when it is told by a line; until then its process stands still. */
const lateServer = `
  const { readSync, writeSync } = require("node:fs");
  const [port, key, cert] = process.argv.slice(1);
  const server = require("node:tls").createServer({ key, cert, minVersion: "TLSv1.3", ALPNProtocols: ["h2"] });
  server.on("tlsClientError", () => {});
  server.on("connection", (socket) => socket.on("error", () => {}));
  server.listen({ port: Number(port), host: "127.0.0.1", backlog: 1 }, () => {
    writeSync(1, "listens");
    readSync(0, Buffer.alloc(1));
  });
`;

test("a name whose addresses are all dead is said with what is wrong there", async () => {
  const port = await freePort();
  answerLookups(["127.0.0.1", "127.0.0.3"].map((address) => ({ address, family: 4 })));
  const joined = joinBroker({
    line: {
      address: { host: "localhost", port },
      token: newSecret(),
      caHash: "0".repeat(64),
    },
    home: temporaryDirectory(),
    host: "desktop",
    signal: new AbortController().signal,
  });
  await expect(joined).rejects.toThrow("nothing listens there");
});

const isLinux = process.platform === "linux";

// The kernel drops what comes to a full queue of connections, and its peer tries again after a second.
test.runIf(isLinux).each(["joinBroker", "lookAtServer"] as const)(
  "%s reaches a name with a slow address and a dead one",
  { timeout: 60_000, retry: 2 },
  async (which) => {
    const { key, chain, ca } = await testCertificate(["localhost"]);
    const port = await freePort();
    const child = spawn(process.execPath, ["-e", lateServer, String(port), key, chain]);
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child.stdout, "data");
    for (let place = 0; place < 2; place++) {
      const socket = connect(port, "127.0.0.1").on("error", () => {});
      onTestFinished(() => void socket.destroy());
      await once(socket, "connect");
    }
    const addresses = ["127.0.0.1", "127.0.0.3"].map((address) => ({ address, family: 4 }));
    const lookup = answerLookups(addresses);
    const address = { host: "localhost", port };
    const { signal } = new AbortController();
    const reached = {
      // Its authority is another than this line's, which shows that it was reached.
      joinBroker: () =>
        joinBroker({
          line: { address, token: newSecret(), caHash: "0".repeat(64) },
          home: temporaryDirectory(),
          host: "desktop",
          signal,
        }),
      lookAtServer: () => lookAtServer(address, ca, signal),
    }
      [which]()
      .then(
        (chained) => JSON.stringify(chained),
        (error: unknown) => String(error),
      );
    await delay(400);
    child.stdin.write("\n");
    expect(await reached).toMatch(/its certificate authority is another|"endMs":/);
    expect(lookup).toHaveBeenCalled();
  },
);

/** The system's names, as a connection asks for them. */
function answerLookups(addresses: object[]): MockInstance {
  const answer = (_host: string, _options: object, tell: (error: null, found: object) => void) =>
    process.nextTick(tell, null, addresses);
  const lookup = vi.spyOn(dns, "lookup").mockImplementation(answer as typeof dns.lookup);
  onTestFinished(() => lookup.mockRestore());
  return lookup;
}

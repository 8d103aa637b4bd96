import { createServer } from "node:net";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { TlsListener } from "../../src/daemon/tls-listener.js";
import { openHome } from "../../src/endpoint/home.js";
import { createServer as createRpcServer, serve } from "../../src/rpc/server.js";
import { createClient, openChannel } from "../../src/rpc/client.js";
import { reasonIn } from "../support/test-broker.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";
import { echo } from "../rpc/echo-server.js";
import { freePort } from "../rpc/free-port.js";
import { EchoService } from "../rpc/gen/echo_pb.js";
import { readFileSync } from "node:fs";

function open(): { listener: TlsListener; share: (address: string) => void; ca: () => string } {
  const home = openHome(temporaryDirectory());
  const listener = new TlsListener({
    home,
    logger: pino({ enabled: false }),
    open: () => createRpcServer({ services: [serve(EchoService, echo)], onDefect: () => {} }),
    accepts: () => true,
  });
  onTestFinished(() => listener.stop());
  return {
    listener,
    share: (address) =>
      writeFileSync(home.settingsPath, `[share]\nlisten = "${address}"\naddress = "${address}"\n`),
    ca: () => readFileSync(join(home.tlsPath, "ca.pem"), "utf8").replace(/^[\s\S]*?KEY-----\n/, ""),
  };
}

async function answers(address: string, ca: string): Promise<boolean> {
  const channel = openChannel(address, { ca });
  try {
    await createClient(EchoService, channel).echo({}, { timeoutMs: 5000 });
    return true;
  } catch {
    return false;
  } finally {
    channel.close();
  }
}

test("follows the settings: listens, moves to another address, and stops", async () => {
  const { listener, share, ca } = open();
  expect(await listener.update()).toBeUndefined();
  const addresses = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  for (const address of addresses) {
    share(address);
    expect(await listener.update()).toMatchObject({ address, advertisedAddress: address });
    expect(await answers(address, ca())).toBe(true);
  }
  expect(await answers(addresses[0] ?? "", ca())).toBe(false);
  const { caHash } = listener.current() ?? {};
  await listener.stop();
  expect(listener.current()).toBeUndefined();
  expect(await answers(addresses[1] ?? "", ca())).toBe(false);
  expect(await listener.update()).toMatchObject({ caHash });
});

test("says LISTEN_FAILED for settings that cannot be used, and for an address that is taken", async () => {
  const { listener, share } = open();
  share("laptop:1");
  const invalid = await listener.update().catch((error: unknown) => error);
  expect(reasonIn(invalid)).toBe("LISTEN_FAILED");
  expect(invalid).toMatchObject({ message: expect.stringContaining("share.listen") });
  const port = await freePort();
  const other = createServer().listen(port, "127.0.0.1");
  onTestFinished(() => void other.close());
  share(`127.0.0.1:${port}`);
  const taken = await listener.update().catch((error: unknown) => error);
  expect(reasonIn(taken)).toBe("LISTEN_FAILED");
  expect(taken).toMatchObject({ message: expect.stringContaining("EADDRINUSE") });
  expect(listener.current()).toBeUndefined();
});

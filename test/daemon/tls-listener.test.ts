import { X509Certificate } from "node:crypto";
import { createServer } from "node:net";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { systemClock, type Clock } from "../../src/clock.js";
import { renewLookMs } from "../../src/daemon/limits.js";
import { TlsListener } from "../../src/daemon/tls-listener.js";
import { openHome } from "../../src/endpoint/home.js";
import { createServer as createRpcServer, serve } from "../../src/rpc/server.js";
import { createClient, openChannel } from "../../src/rpc/client.js";
import {
  issueTestCertificate,
  newTestAuthority,
  type TestAuthority,
} from "../support/test-authority.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { eventually, reasonIn } from "../support/test-broker.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";
import { echo } from "../rpc/echo-server.js";
import { freePort } from "../rpc/free-port.js";
import { EchoService } from "../rpc/gen/echo_pb.js";
import { readFileSync } from "node:fs";

interface Opened {
  readonly listener: TlsListener;
  readonly share: (address: string, more?: string) => void;
  readonly ca: () => string;
}

function open(clock: Clock = systemClock): Opened {
  const home = openHome(temporaryDirectory());
  const listener = new TlsListener({
    home,
    logger: pino({ enabled: false }),
    clock,
    open: () => createRpcServer({ services: [serve(EchoService, echo)], onDefect: () => {} }),
    door: { begins: () => true, proved: () => {} },
    givenLookMs: 20,
  });
  onTestFinished(() => listener.stop());
  return {
    listener,
    share: (address, more = "") =>
      writeFileSync(
        home.settingsPath,
        `[share]\nlisten = "${address}"\naddress = "${address}"\n${more}`,
      ),
    ca: () => readFileSync(join(home.tlsPath, "ca.pem"), "utf8").replace(/^[\s\S]*?KEY-----\n/, ""),
  };
}

async function answers(
  address: string,
  ca: string,
  own?: { key: string; certificate: string },
): Promise<boolean> {
  const certificate =
    own === undefined ? {} : { certificate: { key: own.key, chain: own.certificate } };
  const channel = openChannel(address, { ca, ...certificate });
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
  expect(taken).toMatchObject({
    message: `Cannot listen on 127.0.0.1:${port}: another program has port ${port} (EADDRINUSE); choose another one, such as \`peerline share --listen 127.0.0.1:${port + 1}\`.`,
  });
  // An address that is kept for examples.
  share("192.0.2.7:7899");
  await expect(listener.update()).rejects.toThrow(
    "192.0.2.7 is no address of this machine (EADDRNOTAVAIL); `peerline share --listen 0.0.0.0:7899` listens on all that it has.",
  );
  expect(listener.current()).toBeUndefined();
});

test("a certificate whose end was slept through is made anew soon after, though no timer ran meanwhile", async () => {
  const clock = new StoppedClock();
  const { listener, share } = open(clock);
  share(`127.0.0.1:${await freePort()}`);
  const { caHash } = (await listener.update()) ?? {};
  clock.setForward(100 * 24 * 60 * 60_000);
  expect(renewLookMs).toBeLessThanOrEqual(10 * 60_000);
  clock.advance(renewLookMs);
  await eventually(() =>
    expect(listener.current()?.certificateEndMs).toBeGreaterThan(clock.now() + 1000),
  );
  expect(listener.current()?.caHash).toBe(caHash);
});

test("a certificate that is given is taken up as it is renewed, and one that cannot be used changes nothing", async () => {
  const { listener, share } = open();
  const root = await newTestAuthority("root");
  const folder = temporaryDirectory();
  const [certificate, key] = [join(folder, "own.pem"), join(folder, "own.key")];
  const give = async (authority: TestAuthority): Promise<void> => {
    const made = await issueTestCertificate(authority, { usage: "server" });
    writeFileSync(certificate, made.certificate + authority.pem);
    writeFileSync(key, made.key);
  };
  await give(root);
  const address = `127.0.0.1:${await freePort()}`;
  share(address, `tls_cert = "${certificate}"\ntls_key = "${key}"\n`);
  const facts = await listener.update();
  expect(facts?.caHash).toBe(
    new X509Certificate(root.pem).fingerprint256.replaceAll(":", "").toLowerCase(),
  );
  expect(await answers(address, root.pem)).toBe(true);

  writeFileSync(key, "half written");
  await expect(listener.update()).rejects.toThrow("holds no private key in PEM form");
  expect(await answers(address, root.pem)).toBe(true);

  const next = await newTestAuthority("next");
  await give(next);
  await eventually(async () => expect(await answers(address, next.pem)).toBe(true));
  expect(await answers(address, root.pem)).toBe(false);
});

test("clients are asked for certificates from when the settings say so, until they say so no more", async () => {
  const { listener, share, ca } = open();
  const [root, other] = [await newTestAuthority("root"), await newTestAuthority("other")];
  const clientCa = join(temporaryDirectory(), "ca.pem");
  writeFileSync(clientCa, root.pem);
  const [own, foreign] = [
    await issueTestCertificate(root, { usage: "client" }),
    await issueTestCertificate(other, { usage: "client" }),
  ];
  const address = `127.0.0.1:${await freePort()}`;
  share(address);
  await listener.update();
  expect(await answers(address, ca())).toBe(true);
  share(address, `client_ca = "${clientCa}"\n`);
  await listener.update();
  expect(await answers(address, ca())).toBe(false);
  expect(await answers(address, ca(), foreign)).toBe(false);
  expect(await answers(address, ca(), own)).toBe(true);
  share(address);
  await listener.update();
  expect(await answers(address, ca())).toBe(true);
});

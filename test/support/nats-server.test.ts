import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { describe, expect, onTestFinished, test } from "vitest";
import { buildProgram } from "./build-program.js";
import { findNatsServers, isNatsMissing } from "./nats-programs.js";
import { startNats, type NatsOptions, type NatsServer } from "./nats-server.js";
import { cannotRead, readProcess } from "./process-reading.js";
import { Running } from "./program.js";
import { newTestAuthority } from "./test-authority.js";
import { eventually } from "./test-broker.js";

describe.skipIf(isNatsMissing())("a NATS server of a test", () => {
  test.each(findNatsServers())("starts, in version $version", async ({ version }) => {
    const server = await start({ version });
    const connection = await connectTo(server);
    expect(connection.info?.version).toBe(version);
    expect(connection.info?.jetstream).toBe(true);
  });

  test("has what it stored after kill -9, on the same port", async () => {
    const server = await start({ syncsAlways: true });
    const connection = await connectTo(server);
    const manager = await jetstreamManager(connection, { timeout: 1000 });
    await manager.streams.add({ name: "s", subjects: ["s.>"], storage: StorageType.File });
    const { seq } = await jetstream(connection).publish("s.one", "kept");
    const { pid, url } = server;
    await server.kill();
    expect(server.isRunning).toBe(false);
    await server.restart();
    expect(server.url).toBe(url);
    expect(server.pid).not.toBe(pid);
    const kept = await eventually(() => manager.streams.getMessage("s", { seq }));
    expect(kept?.string()).toBe("kept");
  });

  test("answers nothing while it is paused, and goes on", async () => {
    const server = await start({});
    const connection = await connectTo(server);
    await server.pause();
    expect(server.isAwake).toBe(false);
    const answer = connection.rtt();
    const first = await Promise.race([
      answer,
      new Promise((resolve) => setTimeout(resolve, 200, "none")),
    ]);
    expect(first).toBe("none");
    server.resume();
    expect(await answer).toBeTypeOf("number");
  });

  test("is out of reach while its link is cut", async () => {
    const server = await start({ isRelayed: true });
    const connection = await connectTo(server);
    expect(server.relay.connections).toBe(1);
    server.relay.hold("answers");
    const answer = connection.rtt();
    const first = await Promise.race([
      answer,
      new Promise((resolve) => setTimeout(resolve, 200, "none")),
    ]);
    expect(first).toBe("none");
    server.relay.hold();
    expect(await answer).toBeTypeOf("number");
  });

  test.each<NatsOptions>([
    { authentication: { by: "password", user: "broker", password: 'a "word"' } },
    { authentication: { by: "nkey" } },
    { authentication: { by: "credentials" } },
  ])("lets in who has what it asks for, and nobody else: $authentication.by", async (options) => {
    const server = await start(options);
    await expect(connect({ servers: server.url })).rejects.toThrow(/authorization/i);
    const connection = await connectTo(server);
    expect((await (await jetstreamManager(connection)).getAccountInfo()).streams).toBe(0);
  });

  test.each([false, true])(
    "encrypts, and asks clients for a certificate: %s",
    async (verifiesClients) => {
      const authority = await newTestAuthority("an authority");
      const server = await start({ tls: { authority, verifiesClients } });
      await expect(connect({ servers: server.url, tls: {} })).rejects.toThrow();
      const connection = await connectTo(server);
      expect(connection.info?.tls_required).toBe(true);
      expect(readFileSync(server.files.ca ?? "", "utf8")).toBe(authority.pem);
    },
  );

  test.skipIf(cannotRead !== undefined)("ends with the process that started it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "pl-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const program = await buildProgram(new URL("nats-keeper.ts", import.meta.url), folder);
    await using keeper = new Running(process.execPath, [program], {
      ...process.env,
      TMPDIR: folder,
    });
    const pid = Number(await keeper.line());
    expect(readProcess(pid).descriptors).toBeGreaterThan(0);
    keeper.child.kill("SIGKILL");
    await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
  });

  test("says why it does not start", async () => {
    await expect(start({ config: "no_such_setting: 1" })).rejects.toThrow(/no_such_setting/);
    await expect(startNats({ version: "1.0" })).rejects.toThrow("has no NATS server 1.0");
  });
});

/** It ends with the test. */
async function start(options: NatsOptions): Promise<NatsServer> {
  const server = await startNats(options);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

async function connectTo(server: NatsServer): Promise<NatsConnection> {
  const connection = await connect({ ...server.clientOptions, reconnectTimeWait: 50 });
  onTestFinished(() => connection.close());
  return connection;
}

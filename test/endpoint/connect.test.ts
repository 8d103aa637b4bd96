import { once } from "node:events";
import { chownSync, existsSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/endpoint/config.js";
import { connectBroker } from "../../src/endpoint/connect.js";
import { startTestBroker } from "../support/test-broker.js";
import { temporaryDirectory } from "./temporary-directory.js";

// Whoever runs it would end without a report, so that the test hears of it.
const program = "/nowhere/peerline.js";

test("connects to the broker named, and touches no home", async () => {
  await using broker = await startTestBroker();
  const home = join(temporaryDirectory(), "home");
  const config = readConfig({ PEERLINE_HOME: home, PEERLINE_BROKER: broker.address });
  const connection = await connectBroker({ config, program, start: true });
  expect(connection.info.pid).toBe(process.pid);
  expect((await connection.client.getServerInfo({})).brokerId).toBe(connection.info.brokerId);
  expect(existsSync(home)).toBe(false);
  await connection.close();
  await connection.close();
  await expect(connection.client.getServerInfo({})).rejects.toThrow();
});

test("sends no secret to a socket of another user", async () => {
  await using broker = await startTestBroker();
  const path = broker.address.slice("unix:".length);
  // Only root can give a file away; anyone else has none but what is root's.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(path, 12_345, 12_345);
  const PEERLINE_BROKER = isRoot ? broker.address : "unix:/etc/passwd";
  const config = readConfig({ PEERLINE_HOME: temporaryDirectory(), PEERLINE_BROKER });
  await expect(connectBroker({ config, program, start: false })).rejects.toMatchObject({
    code: "BROKER_UNREACHABLE",
    message: expect.stringContaining("belongs to another user"),
  });
});

test("starts none for a broker that is named and does not run", async () => {
  const socket = join(temporaryDirectory(), "broker.sock");
  const config = readConfig({ PEERLINE_BROKER: `unix:${socket}` });
  await expect(connectBroker({ config, program, start: true })).rejects.toMatchObject({
    code: "BROKER_UNREACHABLE",
    message: expect.stringContaining(socket),
  });
});

test("starts none where that is not wanted", async () => {
  const config = readConfig({ PEERLINE_HOME: temporaryDirectory() });
  await expect(connectBroker({ config, program, start: false })).rejects.toMatchObject({
    code: "BROKER_UNREACHABLE",
  });
});

test("tells why a broker could not be started", async () => {
  const config = readConfig({ PEERLINE_HOME: temporaryDirectory() });
  await expect(connectBroker({ config, program, start: true })).rejects.toMatchObject({
    code: "BROKER_START_FAILED",
  });
  expect(existsSync(join(config.home, "broker.starting"))).toBe(false);
});

test("refuses a home that is unusable", async () => {
  const config = readConfig({ PEERLINE_HOME: "/proc/peerline" });
  await expect(connectBroker({ config, program, start: true })).rejects.toMatchObject({
    code: "HOME_UNUSABLE",
  });
});

test("gives up on a process that listens and does not answer", async () => {
  const socket = await listenSilently();
  const config = readConfig({ PEERLINE_BROKER: `unix:${socket}` });
  await expect(connectBroker({ config, program, start: false })).rejects.toMatchObject({
    code: "BROKER_UNREACHABLE",
    message: expect.stringContaining("does not answer"),
  });
});

test("ends at once with the reason of an abort", async () => {
  const socket = await listenSilently();
  const config = readConfig({ PEERLINE_BROKER: `unix:${socket}` });
  const controller = new AbortController();
  const { signal } = controller;
  const connected = connectBroker({ config, program, start: false, signal });
  setTimeout(() => controller.abort(new Error("enough")), 100);
  await expect(connected).rejects.toThrow("enough");
});

/** A process that takes connections and never says a word. */
async function listenSilently(): Promise<string> {
  const path = join(temporaryDirectory(), "broker.sock");
  const open = new Set<Socket>();
  const server = createServer((socket) => void open.add(socket)).listen(path);
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  await once(server, "listening");
  return path;
}

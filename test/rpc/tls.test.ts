import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { expect, onTestFinished, test, vi } from "vitest";
import { openChannel, createClient } from "../../src/rpc/client.js";
import { Code, RpcError } from "../../src/rpc/error.js";
import {
  createServer,
  serve,
  TlsCredentials,
  type Admit,
  type ClientConnection,
  type RpcServer,
} from "../../src/rpc/server.js";
import { eventually } from "../support/test-broker.js";
import { testCertificate, type TestCertificate } from "../support/test-certificate.js";
import { echo } from "./echo-server.js";
import { failure } from "./failure.js";
import { freePort } from "./free-port.js";
import { EchoService } from "./gen/echo_pb.js";

const dayMs = 24 * 60 * 60 * 1000;

interface Started {
  readonly address: string;
  readonly port: number;
  readonly credentials: TlsCredentials;
  readonly server: RpcServer;
  readonly bounds: string[];
  /** The addresses from which a connection proved who it is. */
  readonly proved: string[];
}

async function start(
  certificate: TestCertificate,
  options: { strangers?: number; begins?: () => boolean; admit?: Admit } = {},
): Promise<Started> {
  const port = await freePort();
  const bounds: string[] = [];
  const {
    strangers = 16,
    begins = () => true,
    admit = () => ({ [Symbol.dispose]() {} }),
  } = options;
  const proved: string[] = [];
  const server = createServer({
    services: [serve(EchoService, echo)],
    onDefect: () => {},
    onBound: (words) => bounds.push(words),
    admit,
  });
  const credentials = new TlsCredentials(certificate);
  await server.listen(`127.0.0.1:${port}`, {
    credentials,
    strangers,
    begins,
    proved: (from) => void proved.push(from),
  });
  onTestFinished(() => server.stop(0));
  return { address: `127.0.0.1:${port}`, port, credentials, server, bounds, proved };
}

function client(address: string, ca: string, headers: Record<string, string> = {}) {
  const channel = openChannel(address, { ca, headers });
  onTestFinished(() => channel.close());
  return createClient(EchoService, channel);
}

test("a call passes over TLS 1.3, by a name and by an address", async () => {
  const warned = vi.spyOn(process, "emitWarning");
  const certificate = await testCertificate(["127.0.0.1", "localhost"]);
  const { address, port } = await start(certificate);
  for (const reached of [address, `localhost:${port}`]) {
    expect(await client(reached, certificate.ca).echo({ text: "hi" })).toMatchObject({
      text: "hi",
    });
  }
  // Of the server name that an address is not.
  expect(warned).not.toHaveBeenCalled();
  warned.mockRestore();
});

test.each([
  ["another authority", async () => testCertificate(), /self.signed|unable to verify|issuer/i],
  ["another name", async () => testCertificate(["192.0.2.1"]), /altnames/i],
  [
    "a time that is over",
    async () => testCertificate(["127.0.0.1"], Date.now() - 100 * dayMs),
    /expired/,
  ],
  [
    "a time that is to come",
    async () => testCertificate(["127.0.0.1"], Date.now() + 5 * dayMs),
    /not yet valid/,
  ],
])("a certificate of %s is refused before a header is sent", async (what, make, words) => {
  const certificate = await make();
  const seen: unknown[] = [];
  const { address } = await start(certificate, {
    admit: () => {
      seen.push("a call");
      return undefined;
    },
  });
  const trusted = what === "another authority" ? (await testCertificate()).ca : certificate.ca;
  const call = client(address, trusted, { secret: "mine" }).echo({}, { timeoutMs: 5000 });
  const error = await failure(call);
  expect(error.code).toBe(Code.Unavailable);
  expect(error.message).toMatch(words);
  expect(error.message).not.toContain("mine");
  expect(seen).toEqual([]);
});

test("a server may refuse calls before their handlers, and says why", async () => {
  const certificate = await testCertificate();
  const { address } = await start(certificate, {
    admit: () => {
      throw new RpcError(Code.Unauthenticated, "who are you?");
    },
  });
  const stranger = client(address, certificate.ca);
  expect(await failure(stranger.echo({}))).toMatchObject({ message: "who are you?" });
  const stream = stranger.repeat({})[Symbol.asyncIterator]();
  expect(await failure(stream.next())).toMatchObject({ code: Code.Unauthenticated });
});

test("a renewed certificate counts for new connections, and the old ones go on", async () => {
  const old = await testCertificate();
  const { address, credentials } = await start(old);
  const before = client(address, old.ca);
  await before.echo({});
  const renewed = await testCertificate();
  credentials.renew(renewed);
  expect(await client(address, renewed.ca).echo({ text: "new" })).toMatchObject({ text: "new" });
  expect(await before.echo({ text: "old" })).toMatchObject({ text: "old" });
  expect(await failure(client(address, old.ca).echo({}, { timeoutMs: 5000 }))).toMatchObject({
    code: Code.Unavailable,
  });
});

test("no session is resumed: each connection proves itself anew", async () => {
  const certificate = await testCertificate();
  const { port } = await start(certificate);
  const open = (session?: Buffer): TLSSocket => {
    const options = { port, host: "127.0.0.1", ca: certificate.ca, ALPNProtocols: ["h2"] };
    const socket = connectTls(session === undefined ? options : { ...options, session });
    onTestFinished(() => void socket.destroy());
    return socket.on("error", () => {});
  };
  const first = open();
  const sessions: Buffer[] = [];
  first.on("session", (session: Buffer) => sessions.push(session));
  // What a server sends first over HTTP/2 comes after what it says of sessions.
  await new Promise((resolve) => first.once("data", resolve));
  for (const session of sessions) {
    const again = open(session);
    await new Promise((resolve) => again.once("secureConnect", resolve));
    expect(again.isSessionReused()).toBe(false);
  }
});

test("stopping does not wait for ever for a connection that this side has ended just before", async () => {
  const certificate = await testCertificate();
  let ending: ClientConnection | undefined;
  const { address, server } = await start(certificate, {
    admit: ({ connection }) => {
      ending = connection;
      return undefined;
    },
  });
  await client(address, certificate.ca).echo({});
  ending?.close();
  await new Promise((resolve) => setImmediate(resolve));
  expect(await server.stop(0)).toBeUndefined();
});

test("connections that never finish their handshake give way to those that do", async () => {
  const certificate = await testCertificate();
  const { address, port, bounds } = await start(certificate, { strangers: 8 });
  const closed: Socket[] = [];
  const silent = Array.from({ length: 40 }, () => {
    const socket = connectPlain(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.once("close", () => closed.push(socket));
    onTestFinished(() => void socket.destroy());
    return socket;
  });
  await eventually(() => expect(closed.length).toBe(32));
  expect(await client(address, certificate.ca).echo({ text: "hi" })).toMatchObject({ text: "hi" });
  // One went to make room for it.
  expect(silent.filter((socket) => !socket.destroyed)).toHaveLength(7);
  expect(bounds).toEqual([expect.stringContaining("8 connections are open that proved nothing")]);
});

test("connections that prove nothing give way, and those over which a call was admitted stay", async () => {
  const certificate = await testCertificate();
  const { address, port, bounds, proved } = await start(certificate, { strangers: 4 });
  const known = client(address, certificate.ca);
  await known.echo({});
  await eventually(() => expect(proved).toEqual(["127.0.0.1"]));
  let closed = 0;
  for (let open = 0; open < 12; open++) {
    const socket = connectTls({
      port,
      host: "127.0.0.1",
      ca: certificate.ca,
      ALPNProtocols: ["h2"],
    });
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => {}).resume();
    socket.once("close", () => closed++);
    await new Promise((resolve) => socket.once("secureConnect", resolve));
  }
  await eventually(() => expect(closed).toBe(8));
  expect(await known.echo({ text: "still" })).toMatchObject({ text: "still" });
  expect(await client(address, certificate.ca).echo({ text: "new" })).toMatchObject({
    text: "new",
  });
  expect(bounds).toEqual([expect.stringContaining("proved nothing")]);
});

test("a connection from an address that is not accepted ends before its handshake", async () => {
  const certificate = await testCertificate();
  let isOpen = false;
  const { address, port } = await start(certificate, { begins: () => isOpen });
  const socket: TLSSocket = connectTls({ port, host: "127.0.0.1", ca: certificate.ca });
  await new Promise((resolve) => socket.once("error", resolve));
  isOpen = true;
  expect(await client(address, certificate.ca).echo({ text: "hi" })).toMatchObject({ text: "hi" });
});

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { findProgram } from "../../src/endpoint/find-program.js";
import { defectsIn } from "../hostile/witness.js";
import { eventually } from "../support/test-broker.js";
import { SharedHome } from "./shared-home.js";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const openssl = findProgram("openssl", (process.env["PATH"] ?? "").split(":")) ?? "";
if (openssl === "") console.warn("skipped: there is no openssl on PATH");

let home: SharedHome;
let port: number;
let pid: number;

beforeAll(async () => {
  home = await SharedHome.open();
  await home.share();
  port = Number(home.address.split(":")[1]);
  pid = await home.brokerPid();
});
afterAll(async () => {
  // The same broker is there, and has told little of all this.
  expect(await home.brokerPid()).toBe(pid);
  expect(await defectsIn(home.path)).toEqual([]);
  const log = readFileSync(join(home.path, "broker.log"), "utf8").split("\n");
  expect(log.length).toBeLessThan(40);
  await home[Symbol.asyncDispose]();
});

describe.skipIf(openssl === "")("openssl s_client finds", () => {
  let ca: string;
  beforeAll(() => {
    ca = join(home.path, "ca-only.pem");
    writeFileSync(ca, home.ca);
  });

  test("TLS 1.3 with HTTP/2, the certificate, and neither compression nor early data", async () => {
    const found = await probe("-tls1_3", "-alpn", "h2", "-CAfile", ca, "-verify_ip", "127.0.0.1");
    expect(found).toMatch(/New, TLSv1\.3, Cipher is TLS_AES_/);
    expect(found).toContain("Verify return code: 0 (ok)");
    expect(found).toContain("ALPN protocol: h2");
    expect(found).toContain("Compression: NONE");
    expect(found).toContain("Expansion: NONE");
    expect(found).toContain("Secure Renegotiation IS NOT supported");
    expect(found).toContain("Early data was not sent");
    expect(found).toContain("No client certificate CA names sent");
  });

  test.each(["-tls1_2", "-tls1_1", "-tls1"])("no %s", async (version) => {
    const found = await probe(version, "-alpn", "h2", "-cipher", "DEFAULT@SECLEVEL=0");
    expect(found).toMatch(/alert protocol version|handshake failure|no protocols available/);
    expect(found).toContain("Cipher is (NONE)");
  });

  test("no protocol over TLS but HTTP/2", async () => {
    const found = await probe("-tls1_3", "-alpn", "http/1.1");
    expect(found).toMatch(/no application protocol|No ALPN negotiated/);
    expect(found).not.toContain("ALPN protocol: http/1.1");
  });

  test("no session to resume", async () => {
    const sessions = join(home.path, "session.pem");
    const first = await probe("-tls1_3", "-alpn", "h2", "-sess_out", sessions);
    expect(first).toContain("New, TLSv1.3");
    // It may have got none.
    if (!existsSync(sessions)) return;
    const again = await probe("-tls1_3", "-alpn", "h2", "-sess_in", sessions);
    expect(again).not.toContain("Reused");
    expect(again).toContain("New, TLSv1.3");
  });
});

test("garbage, half a handshake and other protocols close the connection and nothing else", async () => {
  const hello = Buffer.from("1603010200010001fc0303", "hex");
  const probes: readonly [string, Buffer][] = [
    ["HTTP/1.0", Buffer.from("GET / HTTP/1.0\r\n\r\n")],
    [
      "HTTP/2 in plaintext",
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1"),
    ],
    ["SSH", Buffer.from("SSH-2.0-probe\r\n")],
    ["nulls", Buffer.alloc(4096)],
    ["noise", Buffer.concat([Buffer.from("A"), randomBytes(4095)])],
    ["a record that is too long", Buffer.from("160301ffff", "hex")],
    [
      "a hello of SSL 2",
      Buffer.concat([
        Buffer.from("802e0100020015000000100100800200800300800400800500800600400700c0", "hex"),
        randomBytes(16),
      ]),
    ],
    [
      "a hello of a version to come",
      Buffer.concat([Buffer.from("1603090200010001fc0909", "hex"), randomBytes(508)]),
    ],
    ["an alert", Buffer.from("15030100020228", "hex")],
    ["a heartbeat", Buffer.from("18030200030140ff", "hex")],
  ];
  for (const [what, bytes] of probes) {
    for (let time = 0; time < 5; time++) {
      const socket = plain();
      socket.write(bytes);
      const answer = await untilClosed(socket);
      // At most an alert of TLS, which says nothing of who it is.
      expect(answer.length, what).toBeLessThan(64);
    }
  }
  // Half a hello, and gone: politely, and not.
  for (let time = 0; time < 20; time++) {
    const socket = plain();
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.write(hello);
    if (time % 2 === 0) socket.resetAndDestroy();
    else socket.end();
  }
});

test("what is no HTTP/2 over TLS, or no call, is answered by nothing of the broker", async () => {
  const chatter = tls({ ALPNProtocols: [] });
  await secured(chatter);
  chatter.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  expect(await untilClosed(chatter)).not.toMatch(/ 200 |peerline/i);

  const garbler = tls();
  await secured(garbler);
  garbler.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), randomBytes(256)]));
  await untilClosed(garbler);

  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: home.ca });
  onTestFinished(() => session.destroy());
  session.on("error", () => {});
  expect(await statusOf(session, { ":method": "GET", ":path": "/" })).not.toBe(200);
  const head = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };
  const unknown = await grpcStatusOf(session, { ...head, ":path": "/peerline.v1.BrokerService/X" });
  expect(unknown).toBe("12");
  const known = await grpcStatusOf(session, {
    ...head,
    ":path": "/peerline.v1.BrokerService/GetServerInfo",
  });
  expect(known).toBe("16");
});

/** What `openssl s_client` says of the port, until it has nothing more to say. */
async function probe(...args: string[]): Promise<string> {
  const child = spawn(openssl, ["s_client", "-connect", home.address, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  }
  const ended = new Promise((resolve) => child.once("close", resolve));
  // It waits for what to send, and meanwhile for tickets.
  const isDone = eventually(() => expect(said).toMatch(/Max Early Data|Early data was not sent/));
  await Promise.race([ended, isDone.catch(() => {})]);
  child.stdin.end();
  await ended;
  return said;
}

function plain(): Socket {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  return socket.on("error", () => {});
}

function tls(options: { ALPNProtocols?: string[] } = {}): TLSSocket {
  const socket = connectTls({
    host: "127.0.0.1",
    port,
    ca: home.ca,
    ALPNProtocols: ["h2"],
    ...options,
  });
  onTestFinished(() => void socket.destroy());
  return socket.on("error", () => {});
}

async function secured(socket: TLSSocket): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("close", () => reject(new Error("closed before its handshake")));
  });
}

async function untilClosed(socket: Socket): Promise<string> {
  let answer = "";
  socket.on("data", (data: Buffer) => (answer += data.toString("latin1")));
  await new Promise((resolve) => socket.once("close", resolve));
  return answer;
}

async function statusOf(session: ClientHttp2Session, headers: object): Promise<unknown> {
  const stream = session.request({ ...headers });
  stream.on("error", () => {}).end();
  return new Promise((resolve) => {
    stream.once("response", (head) => resolve(head[":status"]));
    stream.once("close", () => resolve(undefined));
  });
}

async function grpcStatusOf(session: ClientHttp2Session, headers: object): Promise<unknown> {
  const stream = session.request({ ...headers });
  stream.on("error", () => {}).resume();
  // One empty message.
  stream.end(Buffer.alloc(5));
  return new Promise((resolve) => {
    stream.once("response", (head) => {
      if (head["grpc-status"] !== undefined) resolve(head["grpc-status"]);
    });
    stream.once("trailers", (tail) => resolve(tail["grpc-status"]));
    stream.once("close", () => resolve(undefined));
  });
}

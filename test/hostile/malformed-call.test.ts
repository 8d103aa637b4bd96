import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import { frame } from "../rpc/frame.js";
import { type BrokerHome, program, startBrokerHome } from "../support/program.js";
import { eventually } from "../support/test-broker.js";
import { emptySettings, preface, sendBytes } from "./hostile-bytes.js";
import {
  callFields,
  DATA,
  END_HEADERS,
  END_STREAM,
  type Field,
  HEADERS,
  literal,
  WINDOW_UPDATE,
} from "./hostile-headers.js";
import { type Http2Frame, http2Frame } from "./http2-frame.js";
import { RawHttp2 } from "./raw-http2.js";
import { defectsIn, Witness } from "./witness.js";

let home: BrokerHome;
let witness: Witness;
let link: RawHttp2;

beforeAll(async () => {
  home = await startBrokerHome();
  witness = await Witness.join(home.socket);
  link = new RawHttp2(home.socket);
  await witness.send();
});
afterEach(async () => {
  await witness.send();
  await witness.expectAllKept();
  expect(await defectsIn(home.path)).toEqual([]);
});
afterAll(async () => {
  link[Symbol.dispose]();
  witness[Symbol.dispose]();
  await home[Symbol.asyncDispose]();
});

test("bytes that are no HTTP/2 are cut off", async () => {
  const hostile = [
    Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    randomBytes(4096),
    preface,
    Buffer.concat([preface, randomBytes(4096)]),
    Buffer.concat([preface, Buffer.from("ffffff0004ff", "hex")]),
    Buffer.alloc(0),
  ];
  for (const bytes of hostile) {
    await expect(sendBytes(home.socket, bytes)).resolves.toBeUndefined();
  }
});

test.each<[string, readonly Http2Frame[]]>([
  ["a content-length that is too small", [...calling(["content-length", "3"]), data("too long")]],
  ["a content-length that is too large", [...calling(["content-length", "99"]), data("short")]],
  ["headers twice", [...calling(), ...calling()]],
  ["trailers that do not end the stream", [...calling(), header(0, ["x-a", "y"])]],
  ["data after the end", [...calling(), data("one"), data("two")]],
  ["a window of nothing", [...calling(), { ...data("\0\0\0\0"), type: WINDOW_UPDATE, flags: 0 }]],
  ["a stream without headers", [data("none")]],
  ["a stream of the server", [{ ...header(END_STREAM), stream: 2 }]],
])("%s, and the next call in the same bytes, end no more than their connection", async (_, bad) => {
  const next = [...calling(), data("next")].map((part) => ({ ...part, stream: 3 }));
  const frames = [...bad, ...next].map(http2Frame);
  const bytes = Buffer.concat([preface, emptySettings, ...frames]);
  await expect(sendBytes(home.socket, bytes)).resolves.toBeUndefined();
});

test("a message that cannot be read is refused as INVALID_ARGUMENT", async () => {
  expect(await call("SendMessage", frame(Buffer.from("ffffffffffffffffffff", "hex")))).toBe("3");
  expect(await call("SendMessage", frame(Buffer.from("0aff", "hex")))).toBe("3");
  expect(await call("SendMessage", frame(Buffer.from("1a03ffffff", "hex")))).toBe("3");
});

test("a frame that lies about its length, or claims to be compressed, is refused", async () => {
  expect(await call("GetServerInfo", frame(Buffer.alloc(0)))).toBe("0");
  expect(await call("GetServerInfo", frame(Buffer.alloc(0), 100))).not.toBe("0");
  expect(await call("GetServerInfo", frame(Buffer.alloc(0), 0xffffffff))).not.toBe("0");
  const noGzip = frame(Buffer.from("no gzip"), 7, 1);
  expect(await call("GetServerInfo", noGzip, { "grpc-encoding": "gzip" })).not.toBe("0");
  expect(await call("GetServerInfo", Buffer.from([0, 0]))).not.toBe("0");
  expect(await call("Nonsense", frame(Buffer.alloc(0)))).toBe("12");
});

test("ten megabytes of text are refused before they are read", async () => {
  const text = Buffer.alloc(10 * 1024 * 1024, "x");
  // The status may be lost with what the client was still sending.
  expect(["3", "reset"]).toContain(await call("SendMessage", frame(text)));
});

test("a nest of data a thousand levels deep is refused or stored, and harms nobody", async () => {
  let data: Record<string, unknown> = {};
  for (let level = 0; level < 1000; level++) data = { a: data };
  const send = witness.client.sendMessage({ to: ["witness"], text: "deep", data: data as never });
  const outcome = await send.then(
    () => "stored",
    () => "refused",
  );
  expect(outcome).toMatch(/stored|refused/);
});

test("a header that cannot be taken is dropped, and printed nowhere", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pl-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const broker = spawn(process.execPath, [program, "broker"], {
    env: { PATH: process.env["PATH"], HOME: folder, PEERLINE_HOME: folder },
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => void broker.kill("SIGKILL"));
  const printed: string[] = [];
  broker.stderr.setEncoding("utf8").on("data", (text: string) => void printed.push(text));
  await eventually(() => expect(printed.join("")).toContain("broker.sock"));
  using other = new RawHttp2(join(folder, "broker.sock"));
  const headers = { ...callHeaders("ListPeers"), authorization: "Bearer \u00ffsecret" };
  const body = frame(Buffer.alloc(0));
  expect(await other.call({ headers, body, cancels: "never" })).toBe("16");
  broker.kill("SIGTERM");
  await once(broker, "close");
  expect(printed.join("")).not.toContain("secret");
});

/** The status of a call that comes with the witness's token. */
async function call(
  method: string,
  body: Buffer,
  more: Record<string, string> = {},
): Promise<string> {
  return await link.call({
    headers: { ...callHeaders(method), authorization: `Bearer ${witness.token}`, ...more },
    body,
    cancels: "never",
  });
}

/** The headers of a call on the first stream, and more of them. */
function calling(...more: readonly Field[]): [Http2Frame] {
  return [header(0, ...callFields, ...more)];
}

function header(flags: number, ...fields: readonly Field[]): Http2Frame {
  const content = Buffer.concat(fields.map(literal));
  return { type: HEADERS, flags: END_HEADERS | flags, stream: 1, content };
}

/** The last bytes of the first stream. */
function data(text: string): Http2Frame {
  return { type: DATA, flags: END_STREAM, stream: 1, content: Buffer.from(text) };
}

function callHeaders(method: string): Record<string, string> {
  return {
    ":method": "POST",
    ":path": `/peerline.v1.BrokerService/${method}`,
    "content-type": "application/grpc",
    te: "trailers",
  };
}

import { randomBytes } from "node:crypto";
import { connect as connectHttp2, constants } from "node:http2";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { createClient, openChannel, type Channel, type Client } from "../../src/rpc/client.js";
import { startBrokerHome, type BrokerHome } from "../support/program.js";
import { newSecret } from "../support/test-broker.js";

let home: BrokerHome;
let channel: Channel;
let client: Client<typeof BrokerService>;
let token: string;
let pid: number;

beforeAll(async () => {
  home = await startBrokerHome();
  channel = openChannel(`unix:${home.socket}`);
  client = createClient(BrokerService, channel, {
    headers: () => (token === undefined ? {} : { authorization: `Bearer ${token}` }),
  });
  token = (await client.register({ secret: newSecret(), name: "witness" })).sessionToken;
  await client.sendMessage({ to: ["witness"], text: "still here" });
  pid = (await client.getServerInfo({})).pid;
});
afterAll(async () => {
  channel.close();
  await home[Symbol.asyncDispose]();
});

/** The same broker process answers, and what was stored is there. */
async function expectUnharmed(): Promise<void> {
  expect((await client.getServerInfo({})).pid).toBe(pid);
  const { records } = await client.listMessages({});
  expect(records.map(({ message }) => message?.text)).toContain("still here");
}

async function sendBytes(bytes: Buffer): Promise<void> {
  await new Promise<void>((resolve) => {
    const socket = connect(home.socket, () => socket.end(bytes));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
    socket.resume();
    socket.setTimeout(500, () => socket.destroy());
  });
}

/** One gRPC call made of any bytes; resolves to its status, or "reset". */
async function rawCall(
  path: string,
  body: Buffer,
  headers: Record<string, string> = {},
): Promise<string> {
  const session = connectHttp2("http://localhost", {
    createConnection: () => connect(home.socket),
  });
  session.on("error", () => undefined);
  try {
    return await new Promise<string>((resolve) => {
      const stream = session.request({
        [constants.HTTP2_HEADER_METHOD]: "POST",
        [constants.HTTP2_HEADER_PATH]: path,
        "content-type": "application/grpc",
        te: "trailers",
        ...headers,
      });
      stream.on("error", () => resolve("reset"));
      stream.on(
        "response",
        (head) => head["grpc-status"] !== undefined && resolve(String(head["grpc-status"])),
      );
      stream.on("trailers", (trailers) => resolve(String(trailers["grpc-status"])));
      stream.on("close", () => resolve("reset"));
      stream.resume();
      stream.end(body);
    });
  } finally {
    session.destroy();
  }
}

function frame(message: Buffer, length = message.length, compressed = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

test("bytes that are no HTTP/2", async () => {
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const hostile = [
    Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    randomBytes(4096),
    preface,
    Buffer.concat([preface, randomBytes(4096)]),
    Buffer.concat([preface, Buffer.from("ffffff0004ff", "hex")]),
    Buffer.alloc(0),
  ];
  for (const bytes of hostile) await sendBytes(bytes);
  await expectUnharmed();
});

test("calls whose message cannot be read are refused as INVALID_ARGUMENT or cut off", async () => {
  const path = "/peerline.v1.BrokerService/SendMessage";
  const authorization = { authorization: `Bearer ${token}` };
  const statuses = [
    await rawCall(path, frame(Buffer.from("ffffffffffffffffffff", "hex")), authorization),
    await rawCall(path, frame(Buffer.from("0aff", "hex")), authorization),
    await rawCall(path, frame(Buffer.from("1a03ffffff", "hex")), authorization),
  ];
  expect(statuses).toEqual(["3", "3", "3"]);
  for (let round = 0; round < 50; round++) {
    expect(await rawCall(path, frame(randomBytes(64)), authorization)).not.toBe("0");
  }
  await expectUnharmed();
});

test("frames that lie about their length, or claim to be compressed", async () => {
  const path = "/peerline.v1.BrokerService/GetServerInfo";
  expect(await rawCall(path, frame(Buffer.alloc(0), 100))).not.toBe("0");
  expect(await rawCall(path, frame(Buffer.alloc(0), 0xffffffff))).not.toBe("0");
  expect(await rawCall(path, frame(randomBytes(10), 10, 1))).not.toBe("0");
  expect(await rawCall(path, Buffer.from([0, 0]))).not.toBe("0");
  expect(await rawCall("/peerline.v1.BrokerService/Nonsense", frame(Buffer.alloc(0)))).toBe("12");
  await expectUnharmed();
});

test("ten megabytes of text are refused before they are read", async () => {
  const call = client.sendMessage({ to: ["witness"], text: "x".repeat(10 * 1024 * 1024) });
  await expect(call).rejects.toThrow(/large/i);
  await expectUnharmed();
});

test("a nest of data a thousand levels deep", async () => {
  let data: Record<string, unknown> = {};
  for (let level = 0; level < 1000; level++) data = { a: data };
  await client
    .sendMessage({ to: ["witness"], text: "deep", data: data as never })
    .catch(() => undefined);
  await expectUnharmed();
});

import { userInfo } from "node:os";
import { expect, test } from "vitest";
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { maxSendBurst } from "../../src/broker/limits.js";
import { inTurn } from "../../src/cli/commands/send.js";
import { openPersonLine } from "../../src/cli/person.js";
import { readConfig } from "../../src/endpoint/config.js";
import { createClient, openChannel } from "../../src/rpc/client.js";
import { Code, RpcError } from "../../src/rpc/error.js";
import { program } from "../support/program.js";
import { newSecret } from "../support/test-broker.js";
import { Terminal } from "./terminal.js";

// The person is the only peer here, and may write to itself.
const me = userInfo().username.toLowerCase();

test("a message is sent, read once, and its sender sees that", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  const sent = await terminal.run("send", me, "remember the milk");
  expect(sent).toMatchObject({ code: 0, stderr: "" });
  expect(sent.stdout).toMatch(
    new RegExp(`^queued for ${me} \\(stored until it asks for its mail\\)  id \\w{8}\n$`),
  );

  const read = await terminal.run("read");
  expect(read).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("\n  │ remember the milk\n"),
  });
  expect((await terminal.run("read")).stdout).toBe(`No messages for ${me}.\n`);
  expect((await terminal.run("log")).stdout).toMatch(/confirmed .* \(it said so\)/);
});

test("an unknown name is refused with the names that are near", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  const { code, stdout, stderr } = await terminal.run("send", `${me}x`, "hi");
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain(`did you mean ${me}`);
});

test("who sent too much waits its turn, where that is soon", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  const config = readConfig({ PEERLINE_HOME: terminal.home });
  await using line = openPersonLine({ config, program, receives: false });
  const names = Array.from({ length: 40 }, (_, index) => `peer-${index}`);
  const channel = openChannel(config.endpoint);
  const anonymous = createClient(BrokerService, channel);
  await Promise.all(names.map((name) => anonymous.register({ secret: newSecret(), name })));
  channel.close();
  const bursts = Array.from({ length: maxSendBurst / names.length }, (_, index) => index);
  await Promise.all(bursts.map((index) => line.send(names, `burst ${index}`)));
  // Where that took seconds, there is room for more by now.
  const sendOn = async (): Promise<never> => {
    for (let more = 0; ; more++) await line.send(names, `more ${more}`);
  };
  await expect(sendOn()).rejects.toThrow(/in a burst.*try again in \d s/);
  expect(await terminal.run("send", names.join(","), "and more")).toMatchObject({
    code: 0,
    stderr: "",
  });
});

test.each([
  ["RATE_LIMITED", 60_000],
  ["REPEATED_TEXT", 1000],
])("what is refused as %s for %d ms is not waited for", async (reason, retryMs) => {
  const info = create(ErrorInfoSchema, { reason });
  const retry = create(RetryInfoSchema, { retryDelay: durationFromMs(retryMs) });
  const refusal = new RpcError(Code.ResourceExhausted, "no", {
    details: [
      { schema: ErrorInfoSchema, message: info },
      { schema: RetryInfoSchema, message: retry },
    ],
  });
  await expect(inTurn(() => Promise.reject(refusal))).rejects.toBe(refusal);
});

test("text comes from stdin, and too much of it is refused", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  expect((await terminal.pipe("two\nlines\n", "send", me, "-")).code).toBe(0);
  expect((await terminal.run("read")).stdout).toContain("\n  │ two\n  │ lines\n");
  const { code, stderr } = await terminal.pipe("x".repeat(16_385), "send", me, "-");
  expect([code, stderr]).toEqual([2, expect.stringContaining("16384 bytes")]);
});

test("what a message says cannot act on the terminal", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  await terminal.run("send", me, "a\u001B[2J\u202Eb\rc");
  const [log, read] = [await terminal.run("log"), await terminal.run("read")];
  for (const { stdout } of [log, read]) {
    expect(stdout).toContain("  │ ab\n  │ c\n");
    expect(stdout.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
  }
});

test("scripts get the contract's own JSON", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  const sent = await terminal.json("send", me, "hello", "--thread", "t1");
  expect(sent).toMatchObject({
    threadId: "t1",
    results: [{ recipient: { name: me }, state: "RECEIPT_STATE_QUEUED", reach: "REACH_STORED" }],
  });
  expect(await terminal.json("status")).toMatchObject({
    running: true,
    endpoint: `unix:${terminal.home}/broker.sock`,
    waitingMessages: 1,
    info: { store: { technology: "sqlite", durability: "DURABILITY_DISK", writable: true } },
  });
  expect(await terminal.json("peers")).toMatchObject({
    peers: [{ name: me, kind: "PEER_KIND_PERSON", waitingMessages: "1" }],
  });
  expect(await terminal.json("log")).toMatchObject({
    accepted: { message: { text: "hello", threadId: "t1" }, receipts: [{}] },
  });
  expect(await terminal.json("read")).toMatchObject({ message: { text: "hello" } });
  expect((await terminal.run("read", "--json")).stdout).toBe("");
});

test("read --wait shows mail as it comes, also across a broker that is killed", async () => {
  await using terminal = await Terminal.open();
  const reading = terminal.start(["read", "--wait"]);
  await waitUntilOnline(terminal);
  const sent = await terminal.run("send", me, "before");
  expect(sent.stdout).toContain("(woken now)");
  await reading.line("  │ before");

  const pid = await terminal.brokerPid();
  if (pid === undefined) throw new Error("no broker runs");
  process.kill(pid, "SIGKILL");
  expect((await terminal.run("send", me, "after")).code).toBe(0);
  await reading.line("  │ after");
  expect(await terminal.brokerPid()).not.toBe(pid);

  reading.interrupt();
  const { code, stdout, stderr } = await reading.ended;
  expect(code).toBe(0);
  expect(stderr).toMatch(/^The broker is gone.*\nThe broker is back\.\n$/);
  expect(stdout.match(/^ {2}│ \w+$/gm)).toEqual(["  │ before", "  │ after"]);
});

test("a second reader takes over, and the first says so", async () => {
  await using terminal = await Terminal.open();
  const first = terminal.start(["read", "--wait"]);
  await waitUntilOnline(terminal);
  await terminal.run("read");
  expect(await first.ended).toMatchObject({
    code: 4,
    stderr: expect.stringContaining("Another `peerline read` took over"),
  });
});

test("mail that nobody could read is not confirmed", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  await terminal.run("send", me, "x".repeat(1000));
  const reading = terminal.start(["read"]);
  reading.closeOutput();
  expect(await reading.ended).toMatchObject({ code: 0, stderr: "" });
  expect((await terminal.run("read")).stdout).toContain("xxx");
});

async function waitUntilOnline(terminal: Terminal): Promise<void> {
  const log = terminal.start(["peers", "--online"]);
  if (!(await log.ended).stdout.includes(me)) await waitUntilOnline(terminal);
}

test("a name that went to another since the person wrote to it is refused, with both", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  const channel = openChannel(`unix:${terminal.home}/broker.sock`);
  try {
    const anonymous = createClient(BrokerService, channel);
    const join = async (name: string) => {
      const { sessionToken } = await anonymous.register({ secret: newSecret(), name });
      const headers = { authorization: `Bearer ${sessionToken}` };
      return createClient(BrokerService, channel, { headers: () => headers });
    };
    const first = await join("api");
    expect((await terminal.run("send", "api", "first")).code).toBe(0);
    await first.updatePeer({ name: "backend" });
    await join("api");
    const stray = await terminal.run("send", "api", "second");
    expect([stray.code, stray.stdout]).toEqual([1, ""]);
    expect(stray.stderr).toMatch(
      /TO: "api" is another peer now.* "backend" now: send to "backend"/,
    );
    expect((await terminal.run("send", "backend", "second")).stdout).toMatch(/^queued for backend/);
    const { stdout } = await terminal.run("log");
    expect(stdout.match(/│ second/g)).toHaveLength(1);
    // The log has each name as it was, and says what its peer is called by now.
    expect(stdout.match(/→ api .*api is backend now/g)).toHaveLength(1);
    expect(stdout.match(/→ backend .*/g)).toEqual([expect.not.stringContaining(" now")]);
    const [, id = ""] = /→ api .*\bid (\S+)/.exec(stdout) ?? [];
    expect((await terminal.run("show", id)).stdout).toContain("api is backend now");
  } finally {
    channel.close();
  }
});

import { createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import { readConfig } from "../../src/endpoint/config.js";
import { connectBroker } from "../../src/endpoint/connect.js";
import { openLine } from "../../src/endpoint/open-line.js";
import { program } from "../support/program.js";
import { newSecret, startTestBroker, type TestBroker } from "../support/test-broker.js";
import { temporaryDirectory } from "./temporary-directory.js";

async function startBroker(): Promise<TestBroker> {
  const broker = await startTestBroker();
  onTestFinished(() => broker[Symbol.asyncDispose]());
  return broker;
}

function configOf(...endpoints: string[]) {
  return readConfig({ PEERLINE_HOME: temporaryDirectory(), PEERLINE_BROKER: endpoints.join(",") });
}

/** The endpoint at which a broker answers. */
async function answering(...endpoints: string[]): Promise<string> {
  const asked = { config: configOf(...endpoints), program, start: true };
  await using connection = await connectBroker(asked);
  return connection.endpoint;
}

/** Takes connections, and says nothing. */
async function startMute(): Promise<string> {
  const path = join(temporaryDirectory(), "mute.sock");
  const server = createServer((socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => void server.close());
  return `unix:${path}`;
}

test("the first broker is used where it answers, else the next one that does", async () => {
  const [first, second] = [await startBroker(), await startBroker()];
  const dead = `unix:${join(temporaryDirectory(), "none.sock")}`;
  expect(await answering(first.address, second.address)).toBe(first.address);
  expect(await answering(dead, second.address)).toBe(second.address);
  expect(await answering(dead, dead, first.address, dead)).toBe(first.address);
  expect(await answering(await startMute(), second.address)).toBe(second.address);
});

test("where none answers, each is named in one sentence, with why", async () => {
  const dead = ["one", "two"].map((name) => `unix:${join(temporaryDirectory(), name)}`);
  await expect(answering(...dead)).rejects.toMatchObject({
    code: "BROKER_UNREACHABLE",
    message: `None of 2 brokers can be used: The broker at ${dead[0]} is not running; The broker at ${dead[1]} is not running.`,
  });
});

test("a line whose broker dies goes on with the next one, and a message with an id is sent once", async () => {
  const [first, second] = [await startTestBroker(), await startBroker()];
  const secret = newSecret();
  await using line = openLine({
    config: configOf(first.address, second.address),
    program,
    openSecret: async () => secret,
    introduction: { name: "ci", kind: PeerKind.PROGRAM },
    receives: true,
  });
  await line.send("ci", "before");
  await first[Symbol.asyncDispose]();
  const messageId = "01980000-0000-7000-8000-000000000001";
  await line.send("ci", "after", { messageId });
  const { results } = await line.send("ci", "after", { messageId });
  expect(results).toMatchObject([{ duplicate: true }]);
  const { records } = await line.call((client) => client.listMessages({}));
  expect(records.map(({ message }) => message?.text)).toEqual(["after"]);
});

import { createHash } from "node:crypto";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { describe, expect, test } from "vitest";
import { Urgency } from "../../gen/peerline/v1/message_pb.js";
import { doorbellText } from "../../src/mcp/ring-schedule.js";
import { maxNameLength } from "../../src/contract/limits.js";
import { maxUnreadSenders } from "../../src/client/limits.js";
import { makePage } from "../../src/mcp/page.js";
import { makeResult, createToolServer } from "../../src/mcp/tool-server.js";
import { definitions as toolDefinitions } from "../../src/mcp/tools/definitions.js";
import { held } from "../client/held.js";

/**
 * What Peerline costs a model to read. Tokens are those of o200k_base, whose ranks are public: exact for
 * some hosts' models, an estimate for the others'. Bytes are exact for all.
 */
const maxStandingTokens = 1500;
const maxDefinitionBytes = 4300;
/** Hosts cut instructions at 2 KB. */
const maxInstructionBytes = 2000;
const maxMessageTokens = 60;
const maxDoorbellTokens = 40;

/** The longest that a host puts before a tool's name: Claude Code's, for a plugin's server. */
const prefix = "mcp__plugin_peerline_peerline__";

describe("what a model reads in every session", () => {
  test(`definitions and instructions take at most ${maxStandingTokens} tokens`, async () => {
    const { definitions, instructions } = await readServer();
    const tokens = sum([...definitions, instructions].map((text) => countTokens(text)));
    expect(tokens).toBeLessThanOrEqual(maxStandingTokens);
    expect(sum(definitions.map(byteLength))).toBeLessThanOrEqual(maxDefinitionBytes);
    expect(byteLength(instructions)).toBeLessThanOrEqual(maxInstructionBytes);
  });

  test("every tool is counted, with what its description and its parameters say", async () => {
    const { definitions } = await readServer();
    expect(definitions).toHaveLength(toolDefinitions.length);
    for (const [index, { description, parameters }] of toolDefinitions.entries()) {
      expect(definitions[index]).toContain(JSON.stringify(description));
      for (const parameter of Object.values(parameters().shape)) {
        expect(parameter.description).toBeTruthy();
        expect(definitions[index]).toContain(JSON.stringify(parameter.description));
      }
    }
  });
});

/** Everything but the texts is counted. A thread's name is its sender's text too. */
describe("what a message costs besides its text", () => {
  test.each([
    ["a message", {}],
    ["an answer", { inReplyTo: messageId(0) }],
  ])(`%s that comes alone takes at most ${maxMessageTokens} tokens`, (_name, options) => {
    for (let number = 1; number <= 50; number++) {
      const tokens = countTokens(resultText([{ ...options, messageId: messageId(number) }]));
      expect(tokens).toBeLessThanOrEqual(maxMessageTokens);
    }
  });

  test(`an urgent answer that is redelivered takes at most ${maxMessageTokens} tokens of a page of ten`, () => {
    const options = Array.from({ length: 10 }, (_, number) => ({
      messageId: messageId(number),
      inReplyTo: messageId(number + 100),
      urgency: Urgency.INTERRUPT,
    }));
    const text = resultText(options, { redelivered: true });
    expect(text).toContain('"redelivered":true');
    expect(countTokens(text) / options.length).toBeLessThanOrEqual(maxMessageTokens);
  });

  test("no mail takes at most ten tokens", () => {
    expect(countTokens(resultText([]))).toBeLessThanOrEqual(10);
  });
});

describe("what a doorbell costs", () => {
  const names = ["backend-2", "api", "docs-writer", "frontend", "reviewer", "db", "release", "qa"];
  const longest = names.map((_, number) =>
    `payments-integration-reviewer-number-${number}`.slice(0, maxNameLength),
  );

  test.each([
    ["two senders", 2, ["backend", "api"]],
    ["as many senders as are told", 137, names],
    ["as many of the longest names", 137, longest],
  ])(`of %s: at most ${maxDoorbellTokens} tokens`, (_name, count, senders) => {
    expect(senders.length).toBeLessThanOrEqual(maxUnreadSenders);
    const text = doorbellText({ count, senders });
    expect(text).toContain("get_messages");
    expect(countTokens(text)).toBeLessThanOrEqual(maxDoorbellTokens);
  });
});

/**
 * What hosts put before their model: of a tool its name, description and schema. Titles, annotations
 * and `_meta` are for the host alone.
 */
async function readServer(): Promise<{ definitions: string[]; instructions: string }> {
  const [near, far] = InMemoryTransport.createLinkedPair();
  const server = createToolServer(() => Promise.reject(new Error("no tool is called")));
  const client = new Client({ name: "test-host", version: "1.2.3" });
  await Promise.all([server.connect(far), client.connect(near)]);
  const { tools } = await client.listTools();
  const instructions = client.getInstructions() ?? "";
  await client.close();
  const definitions = tools.map(({ name, description, inputSchema }) =>
    JSON.stringify({ name: prefix + name, description, input_schema: inputSchema }),
  );
  return { definitions, instructions };
}

/** The result of get_messages with these messages, their texts empty. */
function resultText(
  messages: readonly Parameters<typeof held>[0][],
  delivery: Parameters<typeof held>[1] = {},
): string {
  const waiting = messages.map((options) =>
    held({ ...options, text: "", sender: "backend" }, delivery),
  );
  const page = makePage(waiting, { maxBytes: 100_000, limit: waiting.length });
  expect(page.messages).toHaveLength(messages.length);
  const { structuredContent } = makeResult(
    { messages: page.messages },
    { count: 0, senders: [] },
    undefined,
  );
  return JSON.stringify(structuredContent);
}

/** The same ids in every run, and as hard to write in tokens as random ones. */
function messageId(number: number): string {
  const hex = createHash("sha256").update(String(number)).digest("hex");
  return hex.slice(0, 32).replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

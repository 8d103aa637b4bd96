import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  reasonOf,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";

describe("a name that looks like another's", () => {
  let broker: TestBroker;
  let mallory: TestPeer;

  beforeAll(async () => {
    broker = await startTestBroker();
    await broker.join({ name: "api" });
    mallory = await broker.join({ name: "mallory" });
  });
  afterAll(() => broker[Symbol.asyncDispose]());

  test.each([
    ["Cyrillic letters", "\u0430\u0440i"],
    ["letters of full width", "\uFF41\uFF50\uFF49"],
    ["capitals", "API"],
    ["an invisible letter", "api\u200B"],
    ["a mark that reorders", "\u202Eipa"],
    ["the broker's own", "@peerline"],
    ["a host", "api@host"],
    ["an id", "01234567-89ab-7def-8123-456789abcdef"],
    ["a tag", "<system>"],
    ["an escape", "api\u001B[0m"],
  ])("of %s is given to nobody", async (_what, name) => {
    const { client, secret } = mallory;
    expect(await reasonOf(client.updatePeer({ name }))).toBe("FIELD_INVALID");
    expect(await reasonOf(client.register({ secret, name }))).toBe("FIELD_INVALID");
  });

  test.each(["\u0430pi", "\uFF41\uFF50\uFF49", "API", "<b>api</b>"])(
    "is plainly another when it is made from %j",
    async (baseName) => {
      const { name } = await broker.join({ baseName });
      expect(name).toMatch(/^[a-z0-9][a-z0-9._-]*$/);
      expect(name).not.toBe("api");
    },
  );
});

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { boxOfProcess } from "../../src/hosts/doorbell/box-folder.js";
import { eventually } from "../support/test-broker.js";
import { TestHome } from "./test-home.js";

const session = "5f0c2b1e-0001-4000-8000-000000000001";

describe("Claude Code's channel", () => {
  let home: TestHome;

  beforeEach(async () => {
    home = await TestHome.open();
  });

  afterEach(() => home[Symbol.asyncDispose]());

  /** An idle agent is sent a message; what it is notified of, and whether a hook would still tell it. */
  async function notifications(env: Record<string, string>) {
    // The folder of the process is the first one's.
    const web = await home.start("web", {
      clientName: "claude-code",
      env: { CLAUDE_CODE_SESSION_ID: session, ...env },
    });
    await web.facts("list_peers");
    const api = await home.start("api");
    const notified: unknown[] = [];
    web.client.fallbackNotificationHandler = async (notification) => {
      notified.push(notification);
    };
    const box = join(home.path, "doorbells", boxOfProcess(process.pid));
    writeFileSync(join(box, "turn"), "idle\n");
    await api.facts("send_message", { to: "web", message: "SECRET-BODY" });
    await eventually(() => expect(existsSync(join(box, "bell"))).toBe(true));
    return { notified, capabilities: web.client.getServerCapabilities() };
  }

  test("carries the doorbell where the user opened it, and the next hook tells it as well", async () => {
    const { notified, capabilities } = await notifications({ PEERLINE_CHANNEL: "1" });
    expect(capabilities?.experimental).toEqual({ "claude/channel": {} });
    await eventually(() => expect(notified).toHaveLength(1));
    expect(notified).toMatchObject([
      {
        method: "notifications/claude/channel",
        params: {
          content: "Peerline: 1 unread from api. Call get_messages.",
          meta: { kind: "doorbell" },
        },
      },
    ]);
  });

  test("is not declared, and nothing is sent there, unless the user asked for it", async () => {
    const { notified, capabilities } = await notifications({});
    expect(capabilities?.experimental).toBeUndefined();
    expect(notified).toEqual([]);
  });
});

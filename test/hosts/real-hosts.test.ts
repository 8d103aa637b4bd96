import { describe, expect, test } from "vitest";
import { AgentsMachine } from "../cli/agents-machine.js";
import { hostsPath, isMissing } from "./installed-hosts.js";

/** Dummy keys, and a model that does not answer: no host reaches beyond this machine. */
const offline = {
  PATH: hostsPath,
  ANTHROPIC_API_KEY: "sk-ant-none",
  ANTHROPIC_BASE_URL: "http://127.0.0.1:9",
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  DISABLE_AUTOUPDATER: "1",
  GEMINI_API_KEY: "none",
  GOOGLE_GEMINI_BASE_URL: "http://127.0.0.1:9",
  // The server answers its host without a broker, and starts none for another's socket.
  PEERLINE_BROKER: "unix:/nonexistent/broker.sock",
};

const listings = [
  { host: "claude", args: ["mcp", "get", "peerline"], connects: "✔ Connected" },
  { host: "codex", args: ["mcp", "get", "peerline"], connects: "enabled: true" },
  { host: "gemini", args: ["mcp", "list"], connects: "Connected" },
];

describe("the real programs, where PEERLINE_HOSTS names their folder", () => {
  for (const { host, args, connects } of listings) {
    test.skipIf(isMissing(host))(
      `${host} finds the server that was installed, and starts it`,
      async () => {
        await using machine = await AgentsMachine.make();
        // Gemini CLI starts servers only in folders that its user trusts.
        const trusted = { [machine.path("shop")]: "TRUST_FOLDER" };
        await machine.write(".gemini/trustedFolders.json", JSON.stringify(trusted));
        expect((await machine.peerline("install", host)).code).toBe(0);
        const list = async () => {
          const ended = await machine.run("timeout", ["60", host, ...args], offline);
          return ended.stdout + ended.stderr;
        };
        const listed = await list();
        expect(listed).toContain("peerline.js mcp");
        expect(listed).toContain(connects);
        await machine.peerline("uninstall", host);
        expect(await list()).not.toContain("peerline.js");
      },
    );
  }
});

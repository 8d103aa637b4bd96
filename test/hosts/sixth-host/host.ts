import { join } from "node:path";
import { readValues, valueAt } from "../../../src/hosts/config-files/read-values.js";
import { jsonServers, serverEntry } from "../../../src/hosts/config-files/server-entry.js";
import { findSetting } from "../../../src/hosts/doorbell/find-hooks.js";
import { jsonHooks } from "../../../src/hosts/doorbell/json-hooks.js";
import { conversationId, type Host, type HostHooks } from "../../../src/hosts/host.js";

const dialect = { comments: true, trailingCommas: true };
const facts = { folder: "process", conversation: "talk", subagents: "told" } as const;

const hooks: HostHooks = {
  host: "zed",
  hooks: [
    { event: "opened", facts: { ...facts, moment: "start", answer: "context" }, settings: {} },
    { event: "asked", facts: { ...facts, moment: "prompt", answer: "context" }, settings: {} },
    { event: "tool-ran", facts: { ...facts, moment: "tool", answer: "context" }, settings: {} },
    { event: "turn-over", facts: { ...facts, moment: "end", answer: "block" }, settings: {} },
  ],
  files: ({ home }, project) => ({
    user: join(home, ".zed/hooks.json"),
    project: [join(project, ".zed/hooks.json")],
  }),
  findSwitch: (files) => findSetting(files, "quiet", true),
  trust: {
    isHookTrusted: async (_hook, { home }) =>
      valueAt(await readValues(join(home, ".zed/allowed.json")), "hooks") === true,
    isPluginTrusted: () => Promise.resolve(true),
    way: "Start zed, and allow them",
  },
};

/** A host that nobody has, in which nothing is left out. */
export const zed: Host = {
  name: "zed",
  title: "Zed",
  programs: ["zed-agent"],
  traces: ({ home }) => [join(home, ".zed")],
  isClient: (clientName) => clientName === "zed-mcp",
  conversationOfProcess: ({ hostVariable }) => conversationId("zed", hostVariable("ZED_TALK")),
  conversationOfCall: () => undefined,
  sharesProcess: false,
  wake: "none",
  channel: "none",
  maxWaitMs: 30_000,
  maxResultBytes: 10_000,
  changes({ scope, places, project, server, hooks: isHooked }) {
    const folder = join(scope === "user" ? places.home : project, ".zed");
    const file = jsonServers(join(folder, "servers.json"), "servers", dialect);
    const entry = { command: server.command, args: server.args, pass: ["PEERLINE_HOME"] };
    const named = serverEntry(file, { entry, trust: false });
    if (!isHooked) return [named];
    return [named, jsonHooks({ path: join(folder, "hooks.json"), dialect, table: hooks, server })];
  },
  additions: () => [],
  otherPlaces: ({ home }, project) => [
    { path: join(home, ".zed/old.json"), within: ["servers"], use: "ignored" },
    {
      path: join(home, ".zed/projects.json"),
      within: [project],
      use: { removal: ["zed-agent", "forget", "peerline"] },
    },
  ],
  trustable: false,
  nextStep: () => "Restart Zed.",
  environment: { listedIn: "pass" },
  hooks,
  async findPlugin({ home }) {
    const path = join(home, ".zed/extensions.json");
    const isOn = valueAt(await readValues(path), "peerline") === true;
    return isOn ? { path, removal: ["zed-agent", "drop", "peerline"] } : undefined;
  },
  folderTrust: {
    look: async (folder, { home }) => {
      const path = join(home, ".zed/folders.json");
      const isTrusted = valueAt(await readValues(path), folder) === true;
      return { trust: isTrusted ? "trusted" : "asked", path };
    },
    command: "/trust",
  },
};

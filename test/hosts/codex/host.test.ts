import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import type { UserPlaces } from "../../../src/endpoint/config.js";
import { codex, isHookTrusted, isPluginTrusted } from "../../../src/hosts/codex/host.js";
import { findHooks } from "../../../src/hosts/doorbell/find-hooks.js";
import { AgentsMachine } from "../../cli/agents-machine.js";
import { trustHooks } from "../../e2e/hosts/codex-trust.js";
import { hostsPath, isMissing } from "../installed-hosts.js";

describe("the real Codex, where PEERLINE_HOSTS names its folder", () => {
  test.skipIf(isMissing("codex"))(
    "trusts the hooks that it was told to, until one is another",
    async () => {
      await using machine = await AgentsMachine.make();
      expect((await machine.peerline("install", "codex")).code).toBe(0);
      expect(await trusts(machine)).toEqual([false, false, false, false]);
      const env = { PATH: hostsPath, HOME: machine.home, TMPDIR: tmpdir() };
      await trustHooks({ by: [], cwd: machine.path("shop"), env });
      expect(await trusts(machine)).toEqual([true, true, true, true]);

      const hooks = await machine.read(".codex/hooks.json");
      await machine.write(
        ".codex/hooks.json",
        hooks.replace(/\/doorbell\.sh(?=' codex Stop)/, "/moved$&"),
      );
      expect(await trusts(machine)).toEqual([true, true, true, false]);
    },
  );

  test.skipIf(isMissing("codex"))(
    "trusts the hooks of the plugin once it was told to",
    async () => {
      await using machine = await AgentsMachine.make();
      const env = { PATH: hostsPath, HOME: machine.home, TMPDIR: tmpdir() };
      await machine.write(".codex/config.toml", "");
      const codex = (...args: string[]) => machine.run("codex", args, env);
      await codex("plugin", "marketplace", "add", resolve("dist/marketplace"));
      await codex("plugin", "add", "peerline@peerline");
      expect(await readFile(machine.path(".codex/config.toml"), "utf8")).toContain(
        "peerline@peerline",
      );
      expect(await pluginTrust(machine)).toBe(false);
      await trustHooks({ by: [], cwd: machine.path("shop"), env });
      expect(await pluginTrust(machine)).toBe(true);
    },
  );
});

async function trusts(machine: AgentsMachine): Promise<boolean[]> {
  const places = placesOf(machine);
  const hooks = await findHooks(codex, { places, project: machine.path("shop") });
  return Promise.all(hooks.map((hook) => isHookTrusted(hook, places)));
}

async function pluginTrust(machine: AgentsMachine): Promise<boolean> {
  if (codex.hooks === "none") throw new Error("Codex has hooks");
  return isPluginTrusted(codex.hooks, placesOf(machine));
}

function placesOf({ home }: AgentsMachine): UserPlaces {
  return { home, settings: `${home}/.config`, pathIn: () => undefined, programs: [] };
}

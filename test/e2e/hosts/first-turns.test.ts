import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { definitions } from "../../../src/mcp/tools/definitions.js";
import { isMissing } from "../../hosts/installed-hosts.js";
import type { ModelRequest } from "../../hosts/scripted-model/model-request.js";
import { ScriptedModel } from "../../hosts/scripted-model/scripted-model.js";
import { startBrokerHome, type BrokerHome } from "../../support/program.js";
import { codexWithUsualPatience } from "./codex.js";
import { maxRunMs } from "./limits.js";
import { RealAgent } from "./real-agent.js";

/**
 * Codex gives a server about a second. A slower one's tools are not in the first turn. The long form, with
 * `PEERLINE_FIRST_TURNS=20`, makes so many first turns beside three busy processes for each of two cores.
 */
const long = Number(process.env["PEERLINE_FIRST_TURNS"] ?? 0);
const turns = long || 2;
const burners = long ? 6 : 0;

describe.skipIf(isMissing("codex"))("the first turn of Codex", () => {
  let broker: BrokerHome;
  let model: ScriptedModel;
  let busy: ChildProcess[];

  beforeEach(async () => {
    broker = await startBrokerHome();
    model = await ScriptedModel.start();
    busy = Array.from({ length: burners }, () =>
      spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }),
    );
  });
  afterEach(async () => {
    for (const process of busy) process.kill("SIGKILL");
    await Promise.all(busy.map(async (one) => one.exitCode ?? once(one, "exit")));
    await model[Symbol.asyncDispose]();
    await broker[Symbol.asyncDispose]();
  });

  test(
    `has the tools, ${turns} times beside ${burners} busy processes`,
    { timeout: turns * maxRunMs },
    async () => {
      const offered: string[][] = [];
      const line = (request: ModelRequest) => {
        offered.push(request.tools.map(({ name }) => name));
        return { say: "done" };
      };
      await using agent = await RealAgent.make(codexWithUsualPatience, {
        name: "first",
        broker,
        model,
        lines: Array.from({ length: turns }, () => line),
      });
      for (let turn = 0; turn < turns; turn++) await agent.prompt("Say that you are done.");
      expect(offered).toHaveLength(turns);
      const names = definitions.map(({ name }) => name);
      const without = offered.filter((tools) => !names.every((name) => tools.includes(name)));
      expect(without).toEqual([]);
    },
  );
});

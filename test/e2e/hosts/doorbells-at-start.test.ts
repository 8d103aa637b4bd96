import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isMissing } from "../../hosts/installed-hosts.js";
import type { ModelRequest, Turn } from "../../hosts/scripted-model/model-request.js";
import type { Step } from "../../hosts/scripted-model/script.js";
import { ScriptedModel } from "../../hosts/scripted-model/scripted-model.js";
import { startBrokerHome, type BrokerHome } from "../../support/program.js";
import { allPrograms } from "./all-programs.js";
import { bellHangs } from "./bells.js";
import { claude } from "./claude.js";
import { maxRunMs } from "./limits.js";
import { sendAsPerson } from "./person.js";
import { cannotOpen } from "./pseudo-terminal.js";
import { RealAgent } from "./real-agent.js";

const hosts = allPrograms
  .filter(({ name }) => !isMissing(name))
  .map((host) => [host.name, host] as const);
/** Claude Code is woken as it opens, before its user can prompt it. */
const unwoken = hosts.filter(([name]) => name !== claude.name);
if (cannotOpen !== undefined) console.warn(`skipped: hosts at a terminal, because ${cannotOpen}`);

/** What makes it a peer that mail can wait for: an earlier conversation. */
const before: readonly Step[] = [{ call: "list_peers", args: {} }, { say: "I am a peer." }];

describe.skipIf(hosts.length === 0)("mail that waited for a host", () => {
  let broker: BrokerHome;
  let model: ScriptedModel;

  beforeEach(async () => {
    broker = await startBrokerHome();
    model = await ScriptedModel.start();
  });
  afterEach(async () => {
    await model[Symbol.asyncDispose]();
    await broker[Symbol.asyncDispose]();
  });

  test.skipIf(cannotOpen !== undefined).for(unwoken)(
    "%s hears of it with its user's first prompt",
    { timeout: 3 * maxRunMs },
    async ([, host]) => {
      await using agent = await RealAgent.make(host, {
        name: `opened-${host.name}`,
        broker,
        model,
        lines: [...before, { call: "get_messages", args: {} }, { say: "I have read it." }],
      });
      await agent.prompt("Begin.");
      await sendAsPerson(broker, agent.name, `${host.name}: before you were opened`);

      const terminal = await agent.open();
      await bellHangs(broker);
      await terminal.type("Go on.");
      await terminal.shows("I have read it.");

      expect(toldUntilFirstCall(agent)).toMatchObject([{ role: host.hears.atPrompt }]);
    },
  );

  test.for(hosts)(
    "%s hears of it in a turn in which it calls no tool",
    { timeout: 3 * maxRunMs },
    async ([, host]) => {
      // A quick adapter hangs the bell before the prompt's hook runs.
      const hung = async ({ turns }: ModelRequest): Promise<Step> => {
        if (turns.some(isTold)) return { call: "get_messages", args: {} };
        await bellHangs(broker);
        return { say: "I am done." };
      };
      await using agent = await RealAgent.make(host, {
        name: `ran-${host.name}`,
        broker,
        model,
        lines: [...before, hung, { call: "get_messages", args: {} }],
      });
      await agent.prompt("Begin.");
      await sendAsPerson(broker, agent.name, `${host.name}: before you were run`);

      await agent.prompt("Go on.");

      const [told, ...others] = toldUntilFirstCall(agent);
      expect([host.hears.atEnd, host.hears.atPrompt]).toContain(told?.role);
      expect(others).toEqual([]);
    },
  );
});

/** The doorbells that a model saw in its conversation before it called a tool. */
function toldUntilFirstCall({ model }: RealAgent): readonly Turn[] {
  const { context } = model.record;
  const firstResult = context.findIndex(({ role }) => role === "tool");
  return context.slice(0, firstResult).filter(isTold);
}

function isTold({ text }: Turn): boolean {
  return text.includes("Peerline: 1 unread ");
}

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isMissing } from "../../hosts/installed-hosts.js";
import { ScriptedModel } from "../../hosts/scripted-model/scripted-model.js";
import type { Step } from "../../hosts/scripted-model/script.js";
import { startBrokerHome, type BrokerHome } from "../../support/program.js";
import { gemini } from "./gemini.js";
import { clearMs, maxRunMs } from "./limits.js";
import { sendAsPerson } from "./person.js";
import { cannotOpen } from "./pseudo-terminal.js";
import { RealAgent } from "./real-agent.js";
import { factsOf } from "./result-facts.js";

/** How it goes on with its latest conversation, for one prompt. */
const hosts = [["gemini", gemini, ["--resume", "latest"]]] as const;
if (cannotOpen !== undefined) console.warn(`skipped: hosts at a terminal, because ${cannotOpen}`);

/** In each turn it says who it is, and reads its mail. */
const turn = (say: string): Step[] => [
  { call: "list_peers", args: {} },
  { call: "get_messages", args: {} },
  { say },
];

describe("of two windows in one project, of which the second is cleared", () => {
  let broker: BrokerHome;
  let model: ScriptedModel;

  beforeAll(async () => {
    broker = await startBrokerHome();
    model = await ScriptedModel.start();
  });
  afterAll(async () => {
    await model[Symbol.asyncDispose]();
    await broker[Symbol.asyncDispose]();
  });

  test.skipIf(cannotOpen !== undefined).for(hosts.filter(([name]) => !isMissing(name)))(
    "%s stays one agent in the second, and is that one with its mail when it goes on later",
    { timeout: 4 * maxRunMs },
    async ([name, host, resume]) => {
      const words = ["One here.", "Two here.", "Cleared here.", "Back here."];
      const lines = words.flatMap(turn);
      await using agent = await RealAgent.make(host, { name, broker, model, lines });
      const whoIsIt = (): string => factsOf(agent.model.record.results.at(-2) ?? "").you.name;

      const one = await agent.open();
      await one.type("Window one.");
      await one.shows("One here.");
      expect(whoIsIt()).toBe(name);
      const two = await agent.open();
      await two.type("Window two.");
      await two.shows("Two here.");
      expect(whoIsIt()).toBe(`${name}-2`);
      await two.type("/clear");
      await sleep(clearMs);
      await two.type("After it.");
      await two.shows("Cleared here.");
      expect(whoIsIt()).toBe(`${name}-2`);
      await one.close();
      await two.close();

      await sendAsPerson(broker, name, "for the first");
      await sendAsPerson(broker, `${name}-2`, "for the second");
      await agent.prompt("Go on.", ...resume);
      expect(whoIsIt()).toBe(`${name}-2`);
      const { messages } = factsOf(agent.model.record.results.at(-1) ?? "");
      expect(messages).toMatchObject([{ text: "for the second" }]);
    },
  );
});

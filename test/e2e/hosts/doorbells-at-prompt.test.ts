import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isMissing } from "../../hosts/installed-hosts.js";
import { ScriptedModel } from "../../hosts/scripted-model/scripted-model.js";
import { startBrokerHome, type BrokerHome } from "../../support/program.js";
import { allPrograms } from "./all-programs.js";
import { bellHangs, isIdle } from "./bells.js";
import { maxRunMs } from "./limits.js";
import { sendAsPerson } from "./person.js";
import { cannotOpen } from "./pseudo-terminal.js";
import { RealAgent } from "./real-agent.js";

const hosts = allPrograms
  .filter(({ name }) => !isMissing(name))
  .map((host) => [host.name, host] as const);
if (cannotOpen !== undefined) console.warn(`skipped: hosts at a terminal, because ${cannotOpen}`);

describe.skipIf(hosts.length === 0 || cannotOpen !== undefined)("mail that wakes nobody", () => {
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

  test.for(hosts)(
    "%s hears of it with its user's next prompt",
    { timeout: 2 * maxRunMs },
    async ([, host]) => {
      await using agent = await RealAgent.make(host, {
        name: `prompted-${host.name}`,
        broker,
        model,
        setup: "plugged",
        lines: [
          { call: "list_peers", args: {} },
          { say: "I am done." },
          { call: "get_messages", args: {} },
          { say: "I have read it." },
        ],
      });
      const { record } = agent.model;
      const terminal = await agent.open();
      await terminal.type("Begin.");
      await isIdle(broker);
      const text = `${host.name}: for your information`;
      await sendAsPerson(broker, agent.name, text, "fyi");
      await bellHangs(broker);
      expect(record.requests).toBe(2);

      await terminal.type("Go on.");
      await terminal.shows("I have read it.");

      const doorbell = record.context.filter((turn) => turn.text.includes("Peerline: 1 unread "));
      expect(doorbell).toMatchObject([{ role: host.hears.atPrompt }]);
      const message = record.context.filter((turn) => turn.text.includes(text));
      expect(message).toMatchObject([{ role: "tool" }]);
    },
  );
});

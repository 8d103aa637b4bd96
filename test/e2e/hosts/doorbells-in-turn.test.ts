import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Reach } from "../../../gen/peerline/v1/peer_pb.js";
import { isMissing } from "../../hosts/installed-hosts.js";
import type { Step } from "../../hosts/scripted-model/script.js";
import { ScriptedModel } from "../../hosts/scripted-model/scripted-model.js";
import { startBrokerHome, type BrokerHome } from "../../support/program.js";
import { allPrograms } from "./all-programs.js";
import { bellHangs } from "./bells.js";
import { maxRunMs } from "./limits.js";
import { sendAsPerson } from "./person.js";
import { RealAgent } from "./real-agent.js";

const hosts = allPrograms.filter(({ name }) => !isMissing(name));

const told = "Peerline: 1 unread from ";

/** What a model does while mail is there, and as whose words it is told of it. */
const cases = hosts.flatMap((host) => {
  const { ownCall, hears } = host;
  const ended: Step = { say: "I am done." };
  const asked: Step = { call: "list_peers", args: {} };
  return [
    [host.name, "after a call of another tool", host, ownCall, hears.afterTool, told],
    [host.name, "when it would end its turn", host, ended, hears.atEnd, told],
    [host.name, "by its next result from Peerline", host, asked, "tool", '"unread":1'],
  ] as const;
});

describe.skipIf(cases.length === 0)("mail that comes while a host works", () => {
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

  test.for(cases)(
    "%s hears of it %s",
    { timeout: 2 * maxRunMs },
    async ([, when, host, step, role, words]) => {
      const text = `${host.name}: ${when}`;
      await using agent = await RealAgent.make(host, {
        name: `works-${host.name}`,
        broker,
        model,
        setup: "plugged",
        lines: [
          { call: "list_peers", args: {} },
          async () => {
            await agent.isReachedBy(Reach.NEXT_TURN);
            await sendAsPerson(broker, agent.name, text);
            await bellHangs(broker);
            return step;
          },
          { call: "get_messages", args: {} },
        ],
      });

      await agent.prompt("Begin.");

      const { record } = agent.model;
      expect(record.context.filter((turn) => turn.text.includes(words))).toMatchObject([{ role }]);
      expect(record.context.filter((turn) => turn.text.includes(text))).toMatchObject([
        { role: "tool" },
      ]);
    },
  );
});

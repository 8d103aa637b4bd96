import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { Reach } from "../../../gen/peerline/v1/peer_pb.js";
import { isMissing } from "../../hosts/installed-hosts.js";
import type { ScriptLine } from "../../hosts/scripted-model/script.js";
import { ScriptedModel } from "../../hosts/scripted-model/scripted-model.js";
import { startBrokerHome, type BrokerHome } from "../../support/program.js";
import { eventually } from "../../support/test-broker.js";
import { Operator } from "../operator.js";
import { allPrograms } from "./all-programs.js";
import { maxRunMs } from "./limits.js";
import { sendAsPerson } from "./person.js";
import { cannotOpen } from "./pseudo-terminal.js";
import { RealAgent } from "./real-agent.js";

const hosts = allPrograms
  .filter(({ name }) => !isMissing(name))
  .map((host) => [host.name, host] as const);
if (cannotOpen !== undefined) console.warn(`skipped: hosts at a terminal, because ${cannotOpen}`);

const lines: readonly ScriptLine[] = [
  { call: "list_peers", args: {} },
  { say: "I am done." },
  { call: "get_messages", args: {} },
  { say: "I have read it." },
];
const timeout = 2 * maxRunMs;

describe.skipIf(hosts.length === 0)("a host that no doorbell reaches", () => {
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

  test.skipIf(cannotOpen !== undefined).for(hosts)(
    "%s gets at a later prompt what came while it was idle",
    { timeout },
    async ([, host]) => {
      const options = { name: `idle-${host.name}`, broker, model, lines, setup: "deaf" as const };
      await using agent = await RealAgent.make(host, options);
      const terminal = await agent.open();
      await terminal.type("Begin.");
      await terminal.shows("I am done.");
      const text = `${host.name}: while you were idle`;

      expect(await sendAsPerson(broker, agent.name, text)).toMatchObject([
        { reach: Reach.NEXT_TURN },
      ]);
      await eventually(() => expectState(text, ReceiptState.LEASED));
      expect(agent.model.record.requests).toBe(2);

      await terminal.type("Look for mail.");
      await terminal.shows("I have read it.");
      expect((await agent.model.record.seenText(text)).turn.role).toBe("tool");
      await eventually(() => expectState(text, ReceiptState.PRESENTED));
    },
  );

  test.for(hosts)(
    "%s gets at its next start what came while it was away",
    { timeout },
    async ([, host]) => {
      const options = { name: `away-${host.name}`, broker, model, lines, setup: "deaf" as const };
      await using agent = await RealAgent.make(host, options);
      await agent.prompt("Begin.");
      const text = `${host.name}: while you were away`;

      expect(await sendAsPerson(broker, agent.name, text)).toMatchObject([
        { state: ReceiptState.QUEUED, reach: Reach.STORED },
      ]);

      await agent.prompt("Look for mail.");
      expect((await agent.model.record.seenText(text)).turn.role).toBe("tool");
      await eventually(() => expectState(text, ReceiptState.PRESENTED));
    },
  );

  async function expectState(text: string, state: ReceiptState): Promise<void> {
    const history = await new Operator(broker.path).history();
    const found = history.find(({ message }) => message?.text === text);
    expect(found?.receipts).toMatchObject([{ state }]);
  }
});

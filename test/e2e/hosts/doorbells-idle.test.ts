import { timestampMs } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Reach } from "../../../gen/peerline/v1/peer_pb.js";
import { isMissing } from "../../hosts/installed-hosts.js";
import { ScriptedModel } from "../../hosts/scripted-model/scripted-model.js";
import { startBrokerHome, type BrokerHome } from "../../support/program.js";
import { Operator } from "../operator.js";
import { allPrograms } from "./all-programs.js";
import { isIdle, isWaited } from "./bells.js";
import { claude } from "./claude.js";
import { codex, codexWithoutDaemon } from "./codex.js";
import { maxRunMs } from "./limits.js";
import { onMail } from "./on-mail.js";
import { sendAsPerson } from "./person.js";
import { cannotOpen } from "./pseudo-terminal.js";
import { RealAgent } from "./real-agent.js";

const hosts = allPrograms.filter(({ name }) => !isMissing(name));
/** How a session that is idle is woken. */
const ways = [
  ["claude, by the plugin's monitor", claude, { setup: "plugged", hasWaiter: true }],
  ["claude, by the installed hook", claude, { setup: "installed", hasWaiter: true }],
  ["codex, by its queue", codex, { setup: "plugged", hasWaiter: false }],
  [
    "codex, by its queue without its daemon",
    codexWithoutDaemon,
    { setup: "installed", hasWaiter: false },
  ],
] as const;
const woken = ways.filter(([, { name }]) => hosts.some((host) => host.name === name));
if (cannotOpen !== undefined) console.warn(`skipped: hosts at a terminal, because ${cannotOpen}`);
const timeout = 2 * maxRunMs;

describe.skipIf(hosts.length === 0)("mail that comes while a host is idle", () => {
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

  test.skipIf(cannotOpen !== undefined).for(woken)(
    "wakes %s",
    { timeout },
    async ([way, host, { setup, hasWaiter }]) => {
      await using agent = await RealAgent.make(host, {
        name: `idle-${host.name}`,
        broker,
        model,
        setup,
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
      if (hasWaiter) await isWaited(broker);
      // The broker hears of the hooks from the adapter.
      await agent.isReachedBy(Reach.NEXT_TURN);
      const text = `${way}: are you there?`;

      expect(await sendAsPerson(broker, agent.name, text)).toMatchObject([
        { reach: Reach.NEXT_TURN },
      ]);
      const { turn, atMs } = await record.seenText("Peerline: 1 unread ");
      expect(turn.role).toBe("user");
      console.log(`${way}: the model heard of it after ${atMs - (await sentAtMs(text))} ms`);
      await terminal.shows("I have read it.");
      const doorbells = record.context.filter(({ text: words }) =>
        words.includes("Peerline: 1 unread "),
      );
      expect(doorbells).toHaveLength(1);
      const message = record.context.filter((one) => one.text.includes(text));
      expect(message).toMatchObject([{ role: "tool" }]);
      // Waking it was seen to work.
      await agent.isReachedBy(Reach.WAKES);
    },
  );

  test.for(hosts.map((host) => [host.name, host] as const))(
    "%s has it at once where it waits in get_messages",
    { timeout },
    async ([, host]) => {
      await using agent = await RealAgent.make(host, {
        name: `waits-${host.name}`,
        broker,
        model,
        lines: [onMail(() => ({ say: "I have it." }))],
      });
      const text = `${host.name}: you waited for this`;
      const run = agent.prompt("Wait for mail.");
      await Promise.race([run, agent.isReachedBy(Reach.WAKES)]);

      await sendAsPerson(broker, agent.name, text);
      const { turn, atMs } = await agent.model.record.seenText(text);
      expect(turn.role).toBe("tool");
      console.log(
        `${host.name}, waiting: the model had it after ${atMs - (await sentAtMs(text))} ms`,
      );
      await run;
    },
  );

  async function sentAtMs(text: string): Promise<number> {
    const history = await new Operator(broker.path).history();
    const acceptTime = history.find(({ message }) => message?.text === text)?.message?.acceptTime;
    if (acceptTime === undefined) throw new Error(`no message was accepted: ${text}`);
    return timestampMs(acceptTime);
  }
});

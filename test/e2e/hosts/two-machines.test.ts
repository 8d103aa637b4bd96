import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Reach } from "../../../gen/peerline/v1/peer_pb.js";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { isMissing } from "../../hosts/installed-hosts.js";
import { ScriptedModel } from "../../hosts/scripted-model/scripted-model.js";
import { cannotLink, VirtualLink } from "../../support/virtual-link.js";
import { eventually } from "../../support/test-broker.js";
import { LinkedHome } from "../linked-home.js";
import { Operator } from "../operator.js";
import { isIdle, isWaited } from "./bells.js";
import { claude } from "./claude.js";
import { codex } from "./codex.js";
import { maxRunMs } from "./limits.js";
import { ModelDoor } from "./model-door.js";
import { onMail } from "./on-mail.js";
import { cannotOpen } from "./pseudo-terminal.js";
import { RealAgent } from "./real-agent.js";

/** PEERLINE_LONG_CUT=1 cuts for so long that both sides take the other for lost. */
const cutMs = process.env["PEERLINE_LONG_CUT"] === "1" ? 30_000 : 1_000;

const obstacle = cannotLink ?? cannotOpen;
if (obstacle !== undefined) console.warn(`skipped: hosts on two machines, because ${obstacle}`);
const canRun = obstacle === undefined && ![claude, codex].some(({ name }) => isMissing(name));

describe.skipIf(!canRun)("two real hosts on two machines", () => {
  let link: VirtualLink;
  let laptop: LinkedHome;
  let desktop: LinkedHome;
  let model: ScriptedModel;
  let doors: { laptop: ModelDoor; desktop: ModelDoor };
  let operator: Operator;

  beforeEach(async () => {
    link = await VirtualLink.open();
    laptop = await LinkedHome.at(link.laptop);
    desktop = await LinkedHome.at(link.desktop);
    await laptop.shareWith(desktop);
    operator = new Operator(laptop.path);
    model = await ScriptedModel.start();
    doors = {
      laptop: await ModelDoor.open(model, link.laptop),
      desktop: await ModelDoor.open(model, link.desktop),
    };
  });
  afterEach(async () => {
    await doors.laptop[Symbol.asyncDispose]();
    await doors.desktop[Symbol.asyncDispose]();
    await model[Symbol.asyncDispose]();
    await desktop[Symbol.asyncDispose]();
    await laptop[Symbol.asyncDispose]();
    await link[Symbol.asyncDispose]();
  });

  test(
    "Codex asks across the link, and wakes Claude Code, which answers; a kill and a cut change nothing",
    async () => {
      const [question, answer, later] = ["which port?", "port 8080", "and the host?"];
      await using answerer = await RealAgent.make(claude, {
        name: "web",
        broker: desktop,
        operator,
        model,
        network: doors.desktop,
        lines: [
          { call: "list_peers", args: {} },
          { say: "I am done." },
          onMail(({ id, from }) => {
            const args = { to: from.name, message: answer, in_reply_to: id };
            return { call: "send_message", args };
          }),
          { say: "I have answered." },
          { call: "get_messages", args: {} },
          { say: "I have read more." },
        ],
      });
      await using asker = await RealAgent.make(codex, {
        name: "api",
        broker: laptop,
        operator,
        model,
        network: doors.laptop,
        lines: [
          { call: "send_message", args: { to: "web", message: question } },
          onMail(() => ({ say: "Thank you." })),
        ],
      });
      const terminal = await answerer.open();
      await terminal.type("Begin.");
      await isIdle(desktop);
      await isWaited(desktop);
      await answerer.isReachedBy(Reach.NEXT_TURN);

      await asker.prompt("Ask web for the port.");
      await terminal.shows("I have answered.");
      expect(wordsTo(asker, answer)).toMatchObject([{ role: "tool" }]);
      expect(wordsTo(answerer, question)).toMatchObject([{ role: "tool" }]);
      expect(wordsTo(answerer, "Peerline: 1 unread ")).toMatchObject([{ role: "user" }]);
      expect(await stateOf(question)).toEqual([ReceiptState.ANSWERED]);

      await isWaited(desktop);
      await link.cut();
      await laptop.killBroker("SIGKILL");
      await laptop.command("send", "web", later);
      await sleep(cutMs);
      await link.restore();
      await terminal.shows("I have read more.");
      expect(wordsTo(answerer, later)).toMatchObject([{ role: "tool" }]);
      expect(await stateOf(question)).toEqual([ReceiptState.ANSWERED]);
      expect(existsSync(join(desktop.path, "peerline.db"))).toBe(false);
    },
    2 * maxRunMs,
  );

  test("Codex on the joined machine answers Claude Code", { timeout: 2 * maxRunMs }, async () => {
    const [question, answer] = ["which host?", "host example"];
    await using answerer = await RealAgent.make(codex, {
      name: "web",
      broker: desktop,
      operator,
      model,
      network: doors.desktop,
      lines: [
        onMail(({ id, from }) => {
          const args = { to: from.name, message: answer, in_reply_to: id };
          return { call: "send_message", args };
        }),
      ],
    });
    await using asker = await RealAgent.make(claude, {
      name: "api",
      broker: laptop,
      operator,
      model,
      network: doors.laptop,
      lines: [
        async () => {
          await answerer.isReachedBy(Reach.WAKES);
          return { call: "send_message", args: { to: "web", message: question } };
        },
        onMail(() => ({ say: "Thank you." })),
      ],
    });
    await Promise.all([answerer.prompt("Answer whoever asks."), asker.prompt("Ask web.")]);
    expect(wordsTo(answerer, question)).toMatchObject([{ role: "tool" }]);
    expect(wordsTo(asker, answer)).toMatchObject([{ role: "tool" }]);
    await eventually(async () => expect(await stateOf(question)).toEqual([ReceiptState.ANSWERED]));
  });

  async function stateOf(text: string): Promise<unknown[]> {
    const records = await eventually(() => operator.history());
    const found = records.find(({ message }) => message?.text === text);
    return found?.receipts.map(({ state }) => state) ?? [];
  }
});

function wordsTo({ model }: RealAgent, text: string) {
  return model.record.context.filter((turn) => turn.text.includes(text));
}

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ConfirmedBy, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { Reach } from "../../../gen/peerline/v1/peer_pb.js";
import { isMissing } from "../../hosts/installed-hosts.js";
import { findInterpreter } from "../../hosts/scripted-model/code-mode.js";
import { ScriptedModel } from "../../hosts/scripted-model/scripted-model.js";
import { startBrokerHome, type BrokerHome } from "../../support/program.js";
import { Operator } from "../operator.js";
import { codex, codexWithPlainTools } from "./codex.js";
import { maxRunMs } from "./limits.js";
import { onMail } from "./on-mail.js";
import { sendAsPerson } from "./person.js";
import { RealAgent } from "./real-agent.js";
import { factsOf } from "./result-facts.js";

/** Code mode is its default. */
const modes = [
  ["by programs that call tools", codex, true],
  ["by calling tools", codexWithPlainTools, false],
] as const;

const byCallOrReply = [ConfirmedBy.NEXT_CALL, ConfirmedBy.REPLY];

describe.skipIf(isMissing("codex"))("Codex", () => {
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

  test.for(modes)(
    "reads a message and answers it %s, for which it asks nobody",
    { timeout: 2 * maxRunMs },
    async ([way, host, isCodeMode]) => {
      const [question, answer] = [`${way}: which port?`, `${way}: port 8080`];
      await using agent = await RealAgent.make(host, {
        name: isCodeMode ? "coding" : "calling",
        broker,
        model,
        // Without the user's word that its tools may always run.
        setup: "plugged",
        lines: [
          (request) => {
            expect(findInterpreter(request) !== undefined).toBe(isCodeMode);
            return { call: "list_peers", args: {} };
          },
          onMail(({ id, from }) => {
            const args = { to: from.name, message: answer, in_reply_to: id };
            return { call: "send_message", args };
          }),
        ],
      });
      const run = agent.prompt("Answer whoever asks you.");
      await Promise.race([run, agent.isReachedBy(Reach.WAKES)]);
      await sendAsPerson(broker, agent.name, question);
      await run;

      const { context, results } = agent.model.record;
      expect(context.filter(({ text }) => text.includes(question))).toMatchObject([
        { role: "tool" },
      ]);
      expect(results.map(factsOf).at(-1).recipients).toMatchObject([{ state: "queued" }]);
      const history = await new Operator(broker.path).history();
      const receipts = history.map(({ message, receipts: [receipt] }) => [message?.text, receipt]);
      expect(Object.fromEntries(receipts)).toMatchObject({
        // The call confirms it, and carries the answer that confirms it as well.
        [question]: { state: ReceiptState.ANSWERED, confirmedBy: expect.toBeOneOf(byCallOrReply) },
        [answer]: { state: ReceiptState.QUEUED },
      });
    },
  );
});

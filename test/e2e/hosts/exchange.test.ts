import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ConfirmedBy, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { isMissing } from "../../hosts/installed-hosts.js";
import { ScriptedModel } from "../../hosts/scripted-model/scripted-model.js";
import { startBrokerHome, type BrokerHome } from "../../support/program.js";
import { eventually } from "../../support/test-broker.js";
import { Operator } from "../operator.js";
import { allPrograms } from "./all-programs.js";
import { maxRunMs } from "./limits.js";
import { onMail } from "./on-mail.js";
import { RealAgent } from "./real-agent.js";
import { factsOf } from "./result-facts.js";

const here = allPrograms.filter(({ name }) => !isMissing(name));
const pairs = here.flatMap((first) =>
  here.map((second) => [first.name, second.name, first, second] as const),
);

describe.skipIf(pairs.length === 0)("two real hosts", () => {
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

  test.for(pairs)(
    "%s asks, and %s answers",
    { timeout: 2 * maxRunMs },
    async ([, , first, second]) => {
      const pair = `${first.name}-${second.name}`;
      const [question, answer] = [`${pair}: which port?`, `${pair}: port 8080`];
      await using answerer = await RealAgent.make(second, {
        name: `answers-${pair}`,
        model,
        broker,
        lines: [
          { call: "list_peers", args: {} },
          onMail(({ id, from }) => {
            const args = { to: from.name, message: answer, in_reply_to: id };
            return { call: "send_message", args };
          }),
        ],
      });
      await using asker = await RealAgent.make(first, {
        name: `asks-${pair}`,
        model,
        broker,
        lines: [
          async () => {
            await answerer.model.record.seen(({ role }) => role === "tool");
            return { call: "list_peers", args: {} };
          },
          { call: "send_message", args: { to: answerer.name, message: question } },
          onMail((answered) => ({
            call: "message_status",
            args: { message_id: answered.in_reply_to },
          })),
        ],
      });

      await Promise.all([
        answerer.prompt("Answer whoever asks you."),
        asker.prompt(`Ask ${answerer.name} for the port.`),
      ]);

      // Peers' words came as results of tools, and no other way.
      expect(turnsWith(answerer, question)).toMatchObject([{ role: "tool" }]);
      expect(turnsWith(asker, answer)).toMatchObject([{ role: "tool" }]);
      const [known, sent, ...others] = asker.model.record.results.map(factsOf);
      expect(known.peers).toContainEqual(
        expect.objectContaining({ name: answerer.name, client: second.client, online: true }),
      );
      expect(sent.recipients).toMatchObject([{ name: answerer.name, state: "queued" }]);
      expect(others.at(-1).receipts).toMatchObject([{ name: answerer.name, state: "answered" }]);
      expect(await receipts(question)).toMatchObject([{ state: ReceiptState.ANSWERED }]);
      await eventually(async () =>
        expect(await receipts(answer)).toMatchObject([
          { state: ReceiptState.CONFIRMED, confirmedBy: ConfirmedBy.NEXT_CALL },
        ]),
      );
    },
  );

  async function receipts(text: string) {
    const history = await new Operator(broker.path).history();
    return history.find(({ message }) => message?.text === text)?.receipts;
  }
});

function turnsWith({ model }: RealAgent, text: string) {
  return model.record.context.filter((turn) => turn.text.includes(text));
}

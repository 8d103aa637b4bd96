import { ConfirmedBy } from "../../../gen/peerline/v1/message_pb.js";
import { sleep, systemClock } from "../../clock.js";
import { shortId } from "../../contract/ids.js";
import { CliError } from "../failure.js";
import { mailWaitMs, maxSettleLooks, settleLookMs } from "../limits.js";
import { countWaiting, listPeers } from "../operator.js";
import { clockTime, count, evidenceLabels } from "../print/words.js";
import type { Agent, Mail, Standing } from "./agent.js";
import { Ledger } from "./ledger.js";
import type { Stage } from "./stage.js";
import type { Transcript } from "./transcript.js";

/** What can happen in the demo. Each act is real, says what came of it, and fails where that is wrong. */
export class Play {
  readonly #stage: Stage;
  readonly #transcript: Transcript;
  readonly #ledger = new Ledger();
  readonly #sent: {
    readonly sender: Agent;
    readonly to: readonly string[];
    readonly id: string;
    readonly text: string;
  }[] = [];
  #kills = 0;

  constructor(stage: Stage, transcript: Transcript) {
    this.#stage = stage;
    this.#transcript = transcript;
  }

  async enter(name: string): Promise<Agent> {
    const agent = await this.#stage.enter(name);
    const { you, peers = [] } = await agent.call("list_peers");
    check(you?.name === name, `${name} was given the name ${you?.name}`);
    const others = peers
      .filter((peer) => peer.name !== name)
      .map((peer) => `${peer.name} (${peer.online ? "online" : "offline"})`);
    await this.#transcript.act(name, `joins and finds ${others.join(", ") || "nobody yet"}`);
    return agent;
  }

  async leave(agent: Agent): Promise<void> {
    await this.#stage.leave(agent);
    await this.#transcript.act(agent.name, "leaves: its host has ended");
  }

  async send(
    sender: Agent,
    to: readonly string[],
    text: string,
    options: { answers?: Mail } = {},
  ): Promise<void> {
    const { message_id: id, recipients = [] } = await sender.call("send_message", {
      to,
      message: text,
      in_reply_to: options.answers?.id,
    });
    if (id === undefined) throw failed(`${sender.name} sent a message and got no id for it`);
    this.#sent.push({ sender, to, id, text });
    this.#ledger.sent(id, to);
    const verb = options.answers ? "answers" : "tells";
    const reached = recipients.map(({ name = "", state, reach }) => [name, `${state}, ${reach}`]);
    await this.#transcript.act(sender.name, `${verb} ${to.join(" and ")}: "${text}"`, reached);
    check(reached.length === to.length, `${sender.name} was not told about every recipient`);
  }

  /** Waits for mail and resolves to the one message that has to be there. */
  async read(reader: Agent, from: string): Promise<Mail> {
    const messages = await this.#getMessages(reader, mailWaitMs);
    const [mail] = messages;
    if (mail?.from?.name !== from || messages.length !== 1) {
      throw failed(`${reader.name} got ${count(messages.length, "message")}, not one from ${from}`);
    }
    const isAsSent = this.#sent.some(
      ({ id, text }) => shortId(id) === mail.id && text === mail.text,
    );
    check(isAsSent, `what ${reader.name} read from ${from} is not what was sent: ${mail.text}`);
    const answers = mail.in_reply_to === undefined ? "" : `, which answers ${mail.in_reply_to}`;
    await this.#transcript.act(reader.name, `reads from ${from}${answers}: "${mail.text}"`);
    return mail;
  }

  /** Ends the broker as a power cut would, while mail is unread. */
  async killBroker(): Promise<number> {
    const { pid, waiting } = await this.#lookAtBroker();
    check(waiting > 0, "nothing was unread when the broker was to be killed");
    process.kill(pid, "SIGKILL");
    this.#kills++;
    await this.#transcript.blow(
      "broker",
      `killed with -9 (pid ${pid}) while ${count(waiting, "message")} waited unread`,
    );
    return pid;
  }

  /** The next thing that an agent does meets a broker again: the agents start one. */
  async seeNewBroker(agent: Agent, former: number): Promise<void> {
    await agent.call("list_peers");
    const { pid, waiting } = await this.#lookAtBroker();
    check(pid !== former, `the broker that was killed (pid ${former}) still answers`);
    const what = `started again by the agents (pid ${pid}), with ${count(waiting, "message")} unread`;
    await this.#transcript.act("broker", what);
  }

  /** Everyone looks once more: whatever came twice would show now. */
  async lookAgain(agents: readonly Agent[]): Promise<void> {
    for (const agent of agents) {
      const messages = await this.#getMessages(agent, 0);
      check(
        messages.length === 0,
        `${agent.name} got ${count(messages.length, "message")} too many`,
      );
    }
    await this.#transcript.act("everyone", "looks again: nothing more is there");
  }

  /** What each sender can see of its messages. */
  async showReceipts(): Promise<void> {
    await this.#transcript.title("Where each message stands, as its sender sees it");
    for (const { sender, to, id, text } of this.#sent) {
      const receipts = await this.#settledReceipts(sender, id);
      await this.#transcript.act(sender.name, `"${text}"`, receipts.map(ladder));
      check(
        receipts.length === to.length,
        `the message ${id} has not one receipt for each recipient`,
      );
      for (const { name, state } of receipts) {
        check(isSettled(state), `the message ${id} to ${name} is ${state}, though it was read`);
      }
    }
  }

  async close(): Promise<void> {
    const { messages, deliveries, once, lost, repeated, strange } = this.#ledger.tally;
    const sum = [
      `${count(messages, "message")} to ${count(deliveries, "recipient")}`,
      `${once} seen once`,
      `${lost} lost`,
      `${repeated} seen twice`,
      `${strange} astray`,
      `${count(this.#kills, "broker")} killed`,
    ].join(", ");
    check(once === deliveries && strange === 0, sum);
    await this.#transcript.closing(`${sum}, in ${this.#transcript.seconds}.`);
  }

  async #getMessages(reader: Agent, waitMs: number): Promise<readonly Mail[]> {
    const { messages = [] } = await reader.call("get_messages", { wait_ms: waitMs });
    for (const { id } of messages) this.#ledger.received(reader.name, id ?? "");
    return messages;
  }

  async #lookAtBroker(): Promise<{ pid: number; waiting: number }> {
    return this.#stage.look(async (operator) => {
      const peers = await listPeers(operator, false);
      return { pid: operator.info.pid, waiting: countWaiting(peers) };
    });
  }

  /** An agent's reports travel behind its calls: give the last ones a moment to arrive. */
  async #settledReceipts(sender: Agent, id: string): Promise<readonly Standing[]> {
    for (let look = 1; ; look++) {
      const { receipts = [] } = await sender.call("message_status", { message_id: id });
      if (look === maxSettleLooks || receipts.every(({ state }) => isSettled(state))) {
        return receipts;
      }
      await sleep(settleLookMs);
    }
  }
}

function isSettled(state: string | undefined): boolean {
  return state === "confirmed" || state === "answered";
}

/** The rungs that a message reached, with their times: `queued 12:03:01, confirmed 12:03:05 (it went on)`. */
function ladder(receipt: Standing): string[] {
  const word = receipt.confirmed_by?.toUpperCase() as keyof typeof ConfirmedBy | undefined;
  const evidence = word === undefined ? "" : ` (${evidenceLabels[ConfirmedBy[word]]})`;
  const rungs = [
    rung("queued", receipt.queued_at),
    rung("presented", receipt.presented_at),
    rung("confirmed", receipt.confirmed_at, evidence),
    rung("answered", receipt.answered_at),
  ];
  return [receipt.name ?? "", rungs.filter((text) => text !== undefined).join(", ")];
}

function rung(word: string, time: string | undefined, evidence = ""): string | undefined {
  if (time === undefined) return undefined;
  return `${word} ${clockTime(Date.parse(time), systemClock.now())}${evidence}`;
}

function check(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw failed(otherwise);
}

function failed(what: string): CliError {
  return new CliError("DEMO_FAILED", `The demo failed: ${what}.`);
}

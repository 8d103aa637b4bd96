import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { createClient, openChannel, type Channel, type Client } from "../../src/rpc/client.js";
import { newSecret } from "../support/test-broker.js";

/** A peer in good order beside whatever is done to its broker: it is answered, and its mail stays. */
export class Witness implements Disposable {
  readonly client: Client<typeof BrokerService>;
  readonly #channel: Channel;
  readonly #name: string;
  readonly #sent = new Map<string, string>();
  #token = "";
  #pid = 0;
  /** The longest that it waited for an answer: to a question, and to a send, which is synced to the disk. */
  readonly slowestMs = { answer: 0, send: 0 };

  private constructor(socket: string, name: string) {
    this.#name = name;
    this.#channel = openChannel(`unix:${socket}`);
    this.client = createClient(BrokerService, this.#channel, {
      headers: (): Record<string, string> =>
        this.#token === "" ? {} : { authorization: `Bearer ${this.#token}` },
    });
  }

  static async join(socket: string, name = "witness"): Promise<Witness> {
    const witness = new Witness(socket, name);
    const { sessionToken } = await witness.client.register({ secret: newSecret(), name });
    witness.#token = sessionToken;
    witness.#pid = (await witness.client.getServerInfo({})).pid;
    return witness;
  }

  get token(): string {
    return this.#token;
  }

  /** Sends one message more to itself. The same broker process answers, soon. */
  async send(): Promise<void> {
    const options = { timeoutMs: maxAnswerMs };
    const text = `message ${this.#sent.size} of the witness`;
    const startMs = performance.now();
    const { pid } = await this.client.getServerInfo({}, options);
    const answeredMs = performance.now();
    const { messageId } = await this.client.sendMessage({ to: [this.#name], text }, options);
    const sentMs = performance.now();
    this.slowestMs.answer = Math.max(this.slowestMs.answer, answeredMs - startMs);
    this.slowestMs.send = Math.max(this.slowestMs.send, sentMs - answeredMs);
    this.#sent.set(messageId, text);
    expect(pid).toBe(this.#pid);
  }

  /** How long a send takes, in milliseconds: the median of some. */
  async medianSendMs(count: number): Promise<number> {
    const times: number[] = [];
    for (let index = 0; index < count; index++) {
      const startMs = performance.now();
      await this.send();
      times.push(performance.now() - startMs);
    }
    return times.toSorted((a, b) => a - b)[Math.floor(count / 2)] ?? 0;
  }

  /** All that it ever sent is stored, word for word. */
  async expectAllKept(): Promise<void> {
    for (const [messageId, text] of this.#sent) {
      const { record } = await this.client.getMessage({ messageId }, { timeoutMs: maxAnswerMs });
      expect(record?.message?.text).toBe(text);
    }
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }
}

/** Nobody waits longer for an answer, whatever others do to the broker on a busy machine. */
const maxAnswerMs = 20_000;

/** The lines of the broker's log that tell of a defect. */
export async function defectsIn(home: string): Promise<string[]> {
  const lines = (await readFile(join(home, "broker.log"), "utf8")).split("\n");
  return lines.filter((line) => /"level":"(error|fatal)"/.test(line));
}

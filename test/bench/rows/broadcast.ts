import type { BenchBroker } from "../broker.js";
import { EchoProcess } from "../echo-process.js";
import {
  broadcastSenders,
  clientProcesses,
  requestBytes,
  subscribers,
  textBytes,
} from "../limits.js";
import { LoadFleet, namesOf } from "../load-fleet.js";
import type { LoadProcess } from "../load-process.js";
import { type RowGroup, subjects } from "../row.js";
import type { Timing } from "../timing.js";

export const broadcast: RowGroup = {
  name: "broadcast",
  rows: [
    {
      id: "broadcast",
      title: "one text to 200 live subscribers, acknowledged",
      unit: "/s",
      how: "Deliveries a second. Each subscriber has a connection of its own and confirms in a call of its own; the next text is sent when all have. The echo: 64 calls at a time from the same processes. The relay is a bare server that writes each text to 200 streams, whose readers make a call each.",
      targets: [{ over: subjects.echo, atLeast: 2 }],
    },
    {
      id: "broadcast.seen",
      title: "one text to 200 live subscribers, until all have seen it",
      unit: "/s",
      how: "The same texts, timed until the last subscriber has the delivery.",
      targets: [],
    },
    {
      id: "broadcast.many",
      title: "texts to 200 live subscribers, acknowledged, several at once",
      unit: "/s",
      how: "The same with texts of six senders under way at once, so that one report of a subscriber can confirm several.",
      targets: [{ over: subjects.echo, atLeast: 2 }],
    },
  ],

  async measure(bench) {
    await using echo = await EchoProcess.start(bench.node);
    await using brokers = await bench.startBrokers();
    const audiences: Audience[] = [];
    const rounds = bench.counts.broadcastRounds;
    try {
      for (const broker of brokers.all) {
        audiences.push(await Audience.gather(broker, bench.node, rounds));
      }
      const { fleet } = audiences[0] as Audience;
      const echoes = bench.counts.concurrentSends;
      await fleet.echo(echo.address, echoes);
      audiences.push(await Audience.ofRelay(echo.address, bench.node));
      for (const audience of audiences) await audience.tell(["warm"], 2);
      for (const round of bench.rounds(rounds)) {
        const note = (row: string, subject: string, rate: number): void =>
          bench.samples.add(row, subject, round, [rate]);
        const echoed = await fleet.echo(echo.address, echoes);
        for (const { id } of broadcast.rows) note(id, subjects.echo, echoed);
        for (const audience of audiences) {
          const senders = sendersOf(round);
          const one = { confirmedMs: 0, seenMs: 0 };
          for (const sender of senders) {
            const { confirmedMs, seenMs } = await audience.tell([sender], 1);
            one.confirmedMs += confirmedMs;
            one.seenMs += seenMs;
          }
          const deliveries = senders.length * subscribers;
          note("broadcast", audience.label, (deliveries / one.confirmedMs) * 1000);
          note("broadcast.seen", audience.label, (deliveries / one.seenMs) * 1000);
          const many = await audience.tell(senders, 2);
          note("broadcast.many", audience.label, (2 * deliveries * 1000) / many.confirmedMs);
        }
      }
    } finally {
      for (const audience of audiences) await audience[Symbol.asyncDispose]();
    }
  },
};

/** The senders of a round: each may send to all three times. */
function sendersOf(round: number): string[] {
  return namesOf("teller", round, broadcastSenders);
}

/** Sends so many texts of each of these senders to all. */
type Tell = (senders: readonly string[], textsOfEach: number) => Promise<Timing>;

/** 200 subscribers in some processes, and who writes to them: through a broker, or through the bare server. */
class Audience implements AsyncDisposable {
  readonly label: string;
  readonly fleet: LoadFleet;

  readonly #tell: Tell;

  private constructor(label: string, fleet: LoadFleet, tell: Tell) {
    this.label = label;
    this.fleet = fleet;
    this.#tell = tell;
  }

  /** The floor: what is pushed goes to each stream, and each makes a call. */
  static async ofRelay(address: string, node: string): Promise<Audience> {
    const fleet = new LoadFleet(node);
    const connections = subscribers / clientProcesses;
    await fleet.all((process) => process.do("watch", { address, connections }));
    const [pusher] = fleet.processes as [LoadProcess];
    return new Audience(subjects.relayed, fleet, (senders, textsOfEach) =>
      pusher.do("push", { address, bytes: requestBytes, count: senders.length * textsOfEach }),
    );
  }

  static async gather(broker: BenchBroker, node: string, rounds: number): Promise<Audience> {
    const fleet = new LoadFleet(node);
    const { address } = broker;
    try {
      const tellers = Array.from({ length: rounds }, (_, round) => sendersOf(round)).flat();
      await fleet.processes[0]?.do("join", { address, names: ["warm", ...tellers] });
      await fleet.all(async (process, index) => {
        const names = listenersOf(index);
        await process.do("join", { address, names, own: true });
        await process.do("subscribe", { names });
      });
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
    const everybody = fleet.processes.flatMap((_, index) => listenersOf(index));
    const [sender] = fleet.processes as [LoadProcess];
    return new Audience(broker.build.label, fleet, (senders, textsOfEach) =>
      sender.do("send", {
        from: senders,
        to: [everybody],
        count: senders.length * textsOfEach,
        textBytes,
      }),
    );
  }

  /** How long it takes until all have seen, and have confirmed, so many texts of each sender. */
  async tell(
    senders: readonly string[],
    textsOfEach: number,
  ): Promise<{ confirmedMs: number; seenMs: number }> {
    const texts = senders.length * textsOfEach;
    await this.fleet.mark();
    const expect = (state: "seen" | "confirmed") =>
      this.fleet.all((process, index) =>
        process.do("expect", { count: texts * listenersOf(index).length, state }),
      );
    const expected = Promise.all([expect("seen"), expect("confirmed")]);
    const sent = this.#tell(senders, textsOfEach);
    const [[seen, confirmed], timing] = await Promise.all([expected, sent]);
    const since = (ends: readonly Timing[]): number =>
      Math.max(...ends.map(({ endMs }) => endMs)) - timing.beginMs;
    return { confirmedMs: since(confirmed), seenMs: since(seen) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.fleet[Symbol.asyncDispose]();
  }
}

function listenersOf(process: number): string[] {
  return namesOf("listener", process, subscribers / clientProcesses);
}

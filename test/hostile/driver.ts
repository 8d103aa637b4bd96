import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { createClient, openChannel } from "../../src/rpc/client.js";
import { Chance } from "./chance.js";
import type { DriverTask, ToDriver } from "./driver-process.js";
import { hostileBytes, sendBytes } from "./hostile-bytes.js";
import { hostileCall } from "./hostile-call.js";
import {
  callsAtOnce,
  callShare,
  callsPerSession,
  connections,
  connectionShare,
  outcomesPerReport,
  rawConnections,
} from "./limits.js";
import { RawHttp2 } from "./raw-http2.js";

// A program of the hostile run: fires calls over HTTP/2 and connections of raw bytes at a broker, as many
// as it is told, and tells what became of them. Argument: its task, as JSON.
const task = JSON.parse(process.argv[2] ?? "") as DriverTask;
const seeds = new Chance(task.seed);
/** One for each kind of input, so that the seed repeats each whatever comes of the other. */
const callChance = new Chance(seeds.int(2 ** 32));
const bytesChance = new Chance(seeds.int(2 ** 32));
let outcomes: Record<string, number> = {};
let untold = 0;

process.on("message", ({ inputs }: ToDriver) => void fire(inputs));
// It is released, or the run was killed.
process.on("disconnect", () => process.exit(0));

async function fire(inputs: number): Promise<void> {
  const calls = Math.floor((inputs * callShare) / (callShare + connectionShare));
  await Promise.all([fireCalls(calls), fireBytes(inputs - calls)]);
  if (untold > 0) report();
}

async function fireCalls(count: number): Promise<void> {
  const links = Array.from({ length: connections }, () => new RawHttp2(task.socket));
  let tokens = await registerTargets();
  let left = count;
  const work = async (link: RawHttp2): Promise<void> => {
    while (left-- > 0) {
      // Sessions end by what is done with them: new ones let hostile input get past the door.
      if (left % callsPerSession === 0) tokens = await registerTargets();
      let status = "unsent";
      while (status === "unsent") status = await link.call(hostileCall(callChance, tokens));
      add(`call ended with ${status}`);
    }
  };
  await Promise.all(links.flatMap((link) => Array.from({ length: callsAtOnce }, () => work(link))));
  for (const link of links) link[Symbol.dispose]();
}

async function fireBytes(count: number): Promise<void> {
  let left = count;
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      await sendBytes(task.socket, hostileBytes(bytesChance));
      add("connection of raw bytes");
    }
  };
  await Promise.all(Array.from({ length: rawConnections }, work));
}

/** Resolves to the operator's token, and those of the peers that hostile input acts as. */
async function registerTargets(): Promise<[string, ...string[]]> {
  const operator = await readFile(join(task.home, "operator.token"), "utf8");
  const channel = openChannel(`unix:${task.socket}`);
  try {
    const client = createClient(BrokerService, channel);
    const joined = await Promise.all(task.targets.map((target) => client.register(target)));
    return [operator.trim(), ...joined.map(({ sessionToken }) => sessionToken)];
  } finally {
    channel.close();
  }
}

function add(outcome: string): void {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  if (++untold === outcomesPerReport) report();
}

function report(): void {
  process.send?.(outcomes);
  outcomes = {};
  untold = 0;
}

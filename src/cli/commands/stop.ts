import { placesText, readConfig, withOwnBroker, type Config } from "../../endpoint/config.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import { openHome } from "../../endpoint/home.js";
import {
  endWords,
  findBrokerProcess,
  processWords,
  waitForBrokerEnd,
  type BrokerProcess,
} from "../broker-process.js";
import { CliError } from "../failure.js";
import { callTimeoutMs, stopLookMs, stopWaitMs } from "../limits.js";
import { connectAsOperator, type Operator } from "../operator.js";
import { count } from "../print/words.js";
import type { Define, Shell } from "../shell.js";

export const define: Define = (command, shell) => {
  command
    .description(
      "Stops the broker in good order and waits until it has ended. Mail is kept; agents that still run on this machine start a broker again.",
    )
    .addHelpText("after", "\nExample:\n  peerline stop")
    .action(() => stop(shell));
};

async function stop({ program, out }: Shell): Promise<void> {
  const { process, onlinePeers } = await stopBroker({ config: readConfig(), program });
  const again = `${count(onlinePeers, "peer")} online: agents that still run on this machine start it again; those of other machines wait for that.`;
  await out.lines(
    `Stopped the broker (${processWords(process)}).`,
    ...(onlinePeers > 0 ? [again] : []),
  );
}

/** Tells the broker to stop and resolves when its process has ended. */
export async function stopBroker(options: {
  config: Config;
  program: string;
}): Promise<{ process: BrokerProcess; onlinePeers: number }> {
  const stopped = await tellToStop(options);
  const waited = { ms: stopWaitMs, lookMs: stopLookMs };
  if (await waitForBrokerEnd(stopped.home, stopped.process, waited)) return stopped;
  throw new CliError(
    "STILL_RUNNING",
    `The broker was told to stop and still runs after ${stopWaitMs / 1000} s: ${endWords(stopped.process)}.`,
  );
}

async function tellToStop(options: { config: Config; program: string }) {
  await using operator = await connectToStop(options);
  const home = openHome(options.config.home);
  // Once stopped, the broker can no longer say which process it was.
  const process = await findBrokerProcess(home, operator.info.pid);
  const { onlinePeers } = operator.info;
  const { pid } = await operator.client.stopBroker({}, { timeoutMs: callTimeoutMs });
  return { home, onlinePeers, process: { ...process, pid } };
}

/** A home that has joined another machine's broker may still have one of its own, which is meant then. */
async function connectToStop(options: { config: Config; program: string }): Promise<Operator> {
  const { config, program } = options;
  const isAway = config.places.every(({ joined }) => joined !== undefined);
  try {
    const operator = await connectAsOperator({
      config: isAway ? withOwnBroker(config) : config,
      program,
    });
    if (operator.config.joined === undefined) return operator;
    await operator[Symbol.asyncDispose]();
    throw elsewhere(operator.config);
  } catch (error) {
    const isAbsent = error instanceof EndpointError && error.code === "BROKER_UNREACHABLE";
    throw isAway && isAbsent ? elsewhere(config) : error;
  }
}

function elsewhere(config: Config): CliError {
  const where = `This home uses the broker of another machine, at ${placesText(config)}`;
  return new CliError("ELSEWHERE", `${where}: stop it there.`);
}

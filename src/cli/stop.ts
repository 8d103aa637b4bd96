import { sleep, systemClock } from "../clock.js";
import { readConfig, type Config } from "../endpoint/config.js";
import { connectBroker } from "../endpoint/connect.js";
import { EndpointError } from "../endpoint/endpoint-error.js";
import { CliError } from "./cli-error.js";
import { callTimeoutMs, stopLookMs, stopWaitMs } from "./limits.js";
import { connectAsOperator } from "./operator.js";
import type { Define, Shell } from "./shell.js";

export const defineStop: Define = (command, shell) => {
  command
    .description(
      "Stops the broker in good order and waits until it has ended. Mail is kept; agents that still run start a broker again.",
    )
    .addHelpText("after", "\nExample:\n  peerline stop")
    .action(() => stop(shell));
};

async function stop({ program, out }: Shell): Promise<void> {
  const config = readConfig();
  const pid = await stopBroker({ config, program });
  await out.lines(`Stopped the broker (pid ${pid}).`);
  const next = await findNext(config, program);
  if (next !== undefined) {
    await out.lines(`An agent that still runs has started another one (pid ${next}).`);
  }
}

/** Tells the broker to stop and resolves to its process id when that process has ended. */
export async function stopBroker(options: { config: Config; program: string }): Promise<number> {
  const pid = await tellToStop(options);
  const deadlineMs = systemClock.now() + stopWaitMs;
  // The kernel has no event for the end of a process that is not a child: look until it is gone.
  while (isAlive(pid)) {
    if (systemClock.now() > deadlineMs) {
      throw new CliError(
        "STILL_RUNNING",
        `The broker was told to stop and still runs after ${stopWaitMs / 1000} s: end it with \`kill ${pid}\`.`,
      );
    }
    await sleep(stopLookMs);
  }
  return pid;
}

async function tellToStop(options: { config: Config; program: string }): Promise<number> {
  await using operator = await connectAsOperator(options);
  const { pid } = await operator.client.stopBroker({}, { timeoutMs: callTimeoutMs });
  return pid;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

async function findNext(config: Config, program: string): Promise<number | undefined> {
  try {
    await using connection = await connectBroker({ config, program, start: false });
    return connection.info.pid;
  } catch (error) {
    if (error instanceof EndpointError) return undefined;
    throw error;
  }
}

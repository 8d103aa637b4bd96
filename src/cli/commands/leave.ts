import { visibleLine } from "../../contract/peer-text.js";
import { homePath } from "../../endpoint/config.js";
import {
  forgetJoinedBroker,
  readJoinedBroker,
  readPendingJoin,
  removeEmptyHome,
  type JoinedBroker,
  type MachinePlace,
} from "../../endpoint/joined-broker.js";
import { formatEndpoint } from "../../endpoint/endpoint.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import { askJoinedBroker } from "../../endpoint/joined-channel.js";
import { CliError } from "../failure.js";
import { callTimeoutMs } from "../limits.js";
import { catchInterruption, type Define, type Shell } from "../shell.js";

export const define: Define = (command, shell) => {
  command
    .description(
      "Undoes `peerline join`: the broker of the other machine lets this one in no more, what was kept of it here is " +
        "removed, and this home uses its own broker again.",
    )
    .addHelpText("after", "\nExample:\n  peerline leave")
    .action(() => leave(shell));
};

/**
 * 1. Tell the broker, which lets this machine in no more. Where it cannot be told now, that is said.
 * 2. Forget it here. A leave that ended before this is completed by the next.
 */
async function leave({ out, notes }: Shell): Promise<void> {
  using interruption = catchInterruption();
  const home = homePath();
  const joined = readIfWhole(home);
  if (joined === "none") {
    throw new CliError("NOT_JOINED", `${home} has joined no broker of another machine.`);
  }
  if (joined === "damaged") {
    forgetJoinedBroker(home);
    await out.lines("Left. What was kept of the broker was damaged, so it was not told.");
    return;
  }
  const where = formatEndpoint(joined.endpoint);
  const problem = await tell(joined, interruption.signal);
  forgetJoinedBroker(home);
  if (joined.madeHome === true) removeEmptyHome(home);
  if (problem !== undefined) {
    const { machine = "NAME" } = joined;
    await notes.lines(
      `${where} was not told (${visibleLine(problem)}) Run \`peerline machines revoke ${visibleLine(machine)}\` there.`,
    );
  }
  await out.lines(`Left the broker at ${where}: agents of this home use its own again.`);
}

/** Why it could not be told; undefined where it knows by now. */
async function tell(joined: MachinePlace, signal: AbortSignal): Promise<string | undefined> {
  try {
    await revokeSelf(joined, signal);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    // It was revoked there already.
    if (error instanceof EndpointError && error.code === "MACHINE_REFUSED") return undefined;
    return error instanceof Error ? error.message : String(error);
  }
}

/** Has the broker let this machine in no more. */
export async function revokeSelf(place: MachinePlace, signal: AbortSignal): Promise<void> {
  await using connection = await askJoinedBroker(place, signal);
  await connection.client.revokeMachine({}, { timeoutMs: callTimeoutMs });
}

/** What was joined, or was about to be. */
function readIfWhole(home: string): "none" | "damaged" | (MachinePlace & Partial<JoinedBroker>) {
  try {
    return readJoinedBroker(home) ?? readPendingJoin(home) ?? "none";
  } catch (error) {
    if (!(error instanceof EndpointError)) throw error;
    return "damaged";
  }
}

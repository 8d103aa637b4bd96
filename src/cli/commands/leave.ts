import { visibleLine } from "../../contract/peer-text.js";
import { homePath } from "../../endpoint/config.js";
import { forgetJoinedBroker, readJoinedBroker } from "../../endpoint/joined-broker.js";
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

async function leave({ out, notes }: Shell): Promise<void> {
  using interruption = catchInterruption();
  const home = homePath();
  const joined = readIfWhole(home);
  if (joined === "none") {
    throw new CliError("NOT_JOINED", `${home} has joined no broker of another machine.`);
  }
  forgetJoinedBroker(home);
  if (joined === "damaged") {
    await out.lines("Left. What was kept of the broker was damaged, so it was not told.");
    return;
  }
  const where = formatEndpoint(joined.endpoint);
  try {
    await using connection = await askJoinedBroker(joined, interruption.signal);
    await connection.client.revokeMachine({}, { timeoutMs: callTimeoutMs });
  } catch (error) {
    // It was revoked there already.
    const isKnown = error instanceof EndpointError && error.code === "MACHINE_REFUSED";
    const why = error instanceof Error ? error.message : String(error);
    if (!isKnown)
      await notes.lines(
        `${where} was not told (${why}) Run \`peerline machines revoke ${visibleLine(joined.machine)}\` there.`,
      );
  }
  await out.lines(`Left the broker at ${where}: agents of this home use its own again.`);
}

function readIfWhole(home: string) {
  try {
    return readJoinedBroker(home) ?? "none";
  } catch (error) {
    if (!(error instanceof EndpointError)) throw error;
    return "damaged";
  }
}

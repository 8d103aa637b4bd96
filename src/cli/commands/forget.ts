import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Peer } from "../../../gen/peerline/v1/peer_pb.js";
import { systemClock } from "../../clock.js";
import { CliError, reasonOf } from "../failure.js";
import { callTimeoutMs } from "../limits.js";
import { connectAsOperator } from "../operator.js";
import { count, relativeTime } from "../print/words.js";
import { ask, type Define, type Shell } from "../shell.js";

export const define: Define = (command, shell) => {
  command
    .argument("<name>", "the peer's name or id")
    .description(
      "Removes a peer: its name is free, and what waits for it ends undelivered, of which the senders are told. " +
        "Its messages stay in the log. Says what goes and asks first.",
    )
    .option("-y, --yes", "do not ask")
    .option("--even-if-live", "also while an agent acts for it, which then becomes a new peer")
    .addHelpText(
      "after",
      `
Examples:
  peerline forget old-api
  peerline forget old-api --yes`,
    )
    .action((name: string, options: ForgetOptions) => forget(shell, name, options));
};

interface ForgetOptions {
  readonly yes?: true;
  readonly evenIfLive?: true;
}

async function forget(shell: Shell, wanted: string, options: ForgetOptions): Promise<void> {
  await using operator = await connectAsOperator(shell);
  const limits = { timeoutMs: callTimeoutMs };
  const { peer } = await operator.client.getPeer({ peer: wanted }, limits);
  if (peer !== undefined && !options.yes) await confirm(shell, peer);
  const request = { peer: peer?.peerId ?? wanted, evenIfLive: options.evenIfLive ?? false };
  try {
    const deleted = await operator.client.deletePeer(request, limits);
    const ended = deleted.undeliveredMessages;
    const more =
      ended === 0n
        ? ""
        : ` ${count(Number(ended), "message")} ended undelivered: the senders are told.`;
    await shell.out.lines(`Forgot ${deleted.peer?.name}.${more}`);
  } catch (error) {
    throw reasonOf(error) === "PEER_LIVE" ? stillLive(peer?.name ?? wanted) : error;
  }
}

/** Says what goes, and goes on only with a yes. */
async function confirm(shell: Shell, peer: Peer): Promise<void> {
  const nowMs = systemClock.now();
  const seen = peer.online
    ? "online now"
    : `last seen ${relativeTime(peer.lastSeenTime ? timestampMs(peer.lastSeenTime) : nowMs, nowMs)}`;
  await shell.notes.lines(
    `This removes ${peer.name} (${seen}). Its name is free then, and its messages stay in the log.`,
    `${count(Number(peer.waitingMessages), "message")} that nobody has read will end undelivered.`,
  );
  if (!process.stdin.isTTY) {
    throw new CliError("USAGE", "Nothing was removed: there is nobody to ask. Add --yes to go on.");
  }
  const answer = await ask(`Remove ${peer.name}? [y/N] `, process.stderr);
  if (answer !== "y" && answer !== "yes") throw new CliError("USAGE", "Nothing was removed.");
}

function stillLive(name: string): CliError {
  return new CliError(
    "USAGE",
    `Nothing was removed: an agent acts for ${name} now. End it first, or add --even-if-live.`,
  );
}

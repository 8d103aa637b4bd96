import { maxMuteMs } from "../../contract/limits.js";
import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { systemClock } from "../../clock.js";
import { callTimeoutMs, purgeTimeoutMs } from "../limits.js";
import { connectAsOperator } from "../operator.js";
import { clockTime, count } from "../print/words.js";
import { readSpan, type Define, type Shell } from "../shell.js";

export const defineMute: Define = (command, shell) => {
  command
    .description(
      "Forbids a peer to send, until `peerline unmute`. It may go on reading. What it sent already stays: " +
        "`peerline purge` removes it.",
    )
    .argument("<peer>", "its name or id")
    .option("--for <time>", "for how long: 10m, 2h, 1d", (text) =>
      readSpan("--for", text, maxMuteMs),
    )
    .addHelpText(
      "after",
      `
Examples:
  peerline mute worker-3
  peerline mute worker-3 --for 1h`,
    )
    .action((peer: string, options: { for?: number }) => mute(shell, peer, options.for));
};

async function mute(shell: Shell, name: string, seconds?: number): Promise<void> {
  await using operator = await connectAsOperator(shell);
  const duration = seconds === undefined ? {} : { duration: durationFromMs(seconds * 1000) };
  const request = { peer: name, ...duration };
  const { peer } = await operator.client.mutePeer(request, { timeoutMs: callTimeoutMs });
  const { muteEndTime } = peer ?? {};
  const until =
    muteEndTime === undefined
      ? `\`peerline unmute ${peer?.name}\``
      : clockTime(timestampMs(muteEndTime), systemClock.now());
  await shell.out.lines(`${peer?.name} may not send until ${until}.`);
}

export const defineUnmute: Define = (command, shell) => {
  command
    .description("Lets a peer send again that was muted.")
    .argument("<peer>", "its name or id")
    .addHelpText("after", "\nExample:\n  peerline unmute worker-3")
    .action((peer: string) => unmute(shell, peer));
};

async function unmute(shell: Shell, name: string): Promise<void> {
  await using operator = await connectAsOperator(shell);
  const { peer } = await operator.client.unmutePeer({ peer: name }, { timeoutMs: callTimeoutMs });
  await shell.out.lines(`${peer?.name} may send.`);
}

export const definePurge: Define = (command, shell) => {
  command
    .description(
      "Removes for good what a peer sent and nobody has read yet; its sender is told. What an agent holds " +
        "already may still be shown to it.",
    )
    .requiredOption("--from <peer>", "the sender, by its name or id")
    .option("--all", "also what was read or has ended: nothing that it sent is kept")
    .addHelpText(
      "after",
      `
Examples:
  peerline purge --from worker-3
  peerline mute worker-3 && peerline purge --from worker-3 --all`,
    )
    .action((options: { from: string; all?: true }) => purge(shell, options));
};

async function purge(
  shell: Shell,
  { from: name, all = false }: { from: string; all?: boolean },
): Promise<void> {
  await using operator = await connectAsOperator(shell);
  const request = { from: name, all };
  const options = { timeoutMs: purgeTimeoutMs };
  const { from, removedDeliveries } = await operator.client.purgeMessages(request, options);
  const removed = count(Number(removedDeliveries), all ? "message" : "unread message");
  await shell.out.lines(`Removed ${removed} from ${from?.name}, each recipient counting.`);
}

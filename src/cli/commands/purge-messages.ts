import { readConfig } from "../../endpoint/config.js";
import { connectAsOperator } from "../operator.js";
import { purgeTimeoutMs } from "../limits.js";
import { count } from "../print/receipt-words.js";
import type { Define, Shell } from "../shell.js";

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
  { program, out }: Shell,
  { from: name, all = false }: { from: string; all?: boolean },
): Promise<void> {
  await using operator = await connectAsOperator({ config: readConfig(), program });
  const request = { from: name, all };
  const options = { timeoutMs: purgeTimeoutMs };
  const { from, removedDeliveries } = await operator.client.purgeMessages(request, options);
  const removed = count(Number(removedDeliveries), all ? "message" : "unread message");
  await out.lines(`Removed ${removed} from ${from?.name}, each recipient counting.`);
}

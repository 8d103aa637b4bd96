import { readConfig, type Config } from "../endpoint/config.js";
import { connectAsOperator, type HistoryClient } from "./operator.js";
import { openPersonLine } from "./person.js";
import type { Shell } from "./shell.js";

/** Who looks at messages, and moves none. */
export interface Reader extends AsyncDisposable {
  readonly client: HistoryClient;
  /** `own`: only what the person at this terminal has sent or was sent. */
  readonly sees: "all" | "own";
}

/**
 * A connection that sees all messages. On a machine that was let in for its agents alone, one that sees those
 * of the person at the terminal.
 */
export async function connectAsReader({ program }: Pick<Shell, "program">): Promise<Reader> {
  const config = readConfig();
  if (!seesOwnOnly(config))
    return { ...(await connectAsOperator({ config, program })), sees: "all" };
  const line = openPersonLine({ config, program, receives: false });
  return {
    sees: "own",
    client: {
      listMessages: (request) =>
        line.call((client, options) => client.listMessages(request, options)),
      getMessage: (request) => line.call((client, options) => client.getMessage(request, options)),
      getPeer: (request) => line.call((client, options) => client.getPeer(request, options)),
      listPeers: (request) => line.call((client, options) => client.listPeers(request, options)),
    },
    [Symbol.asyncDispose]: () => line.close(),
  };
}

export function seesOwnOnly({ joined }: Config): boolean {
  return joined?.scope === "agent";
}

/** Says that there is more than what was printed. */
export async function sayWhatIsSeen({ notes }: Shell, { sees }: Reader): Promise<void> {
  if (sees === "all") return;
  await notes.lines(
    notes.color.dim(
      "Only what you sent and were sent: this machine's scope is `agent`. The broker's own machine shows all.",
    ),
  );
}

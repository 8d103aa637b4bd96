import { homedir, hostname } from "node:os";
import { toJson } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import stringWidth from "string-width";
import { PeerKind, PeerSchema, type Peer } from "../../../gen/peerline/v1/peer_pb.js";
import { systemClock } from "../../clock.js";
import { peerLine } from "../../contract/peer-text.js";
import { reachWord } from "../../mcp/words.js";
import { connectAsOperator, listPeers } from "../operator.js";
import { cut, table } from "../print/columns.js";
import type { Output } from "../print/output.js";
import { relativeTime } from "../print/words.js";
import type { Define, Shell } from "../shell.js";

export const define: Define = (command, shell) => {
  command
    .description(
      "Lists the peers, online first: how a message reaches each, and what waits for it.",
    )
    .option("--online", "leave out those that are offline")
    .option("--json", "print one JSON object, with the contract's Peer messages as `peers`")
    .addHelpText(
      "after",
      `
Examples:
  peerline peers
  peerline peers --json | jq -r '.peers[] | select(.online) | .name'`,
    )
    .action((options: PeersOptions) => peers(shell, options));
};

interface PeersOptions {
  readonly online?: true;
  readonly json?: true;
}

async function peers(shell: Shell, options: PeersOptions): Promise<void> {
  await using operator = await connectAsOperator(shell);
  const found = await listPeers(operator, options.online ?? false);
  if (options.json) {
    const all = found.map((peer) => toJson(PeerSchema, peer, { alwaysEmitImplicit: true }));
    await shell.out.json({ peers: all });
  } else if (found.length === 0) {
    await shell.out.lines(options.online ? "No peer is online." : "No peer is known yet.");
  } else {
    // A broker that was joined calls this machine by a name of its own.
    const host = operator.config.joined?.machine ?? hostname();
    await shell.out.lines(...peerLines(found, shell.out, systemClock.now(), host));
  }
}

const header = ["", "NAME", "REACH", "WAITING", "CLIENT", "WHERE", "SEEN"];

/** A table with a line of its own below each peer that says what it works on. */
export function peerLines(
  peers: readonly Peer[],
  { color, width }: Pick<Output, "color" | "width">,
  nowMs: number,
  ownHost = hostname(),
): string[] {
  const lines = peers.map((peer) => cells(peer, color, nowMs, ownHost));
  const rows = table(fit([header, ...lines], width));
  return rows.flatMap((row, index) => {
    if (index === 0) return color.dim(row);
    const summary = peerLine(peers[index - 1]?.profile?.summary ?? "");
    const below = `   ${cut(summary, width - 3)}`;
    return summary === "" ? row : [row, color.dim(below)];
  });
}

/**
 * The rows, with what peers say of themselves cut, so that each is one line of the terminal. A line
 * that went on at the edge could pass for another peer.
 */
function fit(rows: string[][], width: number): string[][] {
  let fitting = rows;
  for (const column of [header.indexOf("WHERE"), header.indexOf("CLIENT")]) {
    const tooWide = Math.max(...table(fitting).map((row) => stringWidth(row))) - width;
    if (tooWide <= 0) return fitting;
    const widest = Math.max(...fitting.map((row) => stringWidth(row[column] ?? "")));
    const room = Math.max(minColumnWidth, widest - tooWide);
    fitting = fitting.map((row) => row.with(column, cut(row[column] ?? "", room)));
  }
  return fitting;
}

/** What is left of a column, in columns of the terminal. */
const minColumnWidth = 8;

function cells(peer: Peer, color: Output["color"], nowMs: number, ownHost: string): string[] {
  const waiting = Number(peer.waitingMessages);
  const seenMs = peer.lastSeenTime && !peer.online ? timestampMs(peer.lastSeenTime) : nowMs;
  return [
    peer.online ? color.green("●") : color.dim("○"),
    peer.online ? color.bold(peer.name) : peer.name,
    peer.muted ? color.yellow("muted") : reachWord(peer.reach).replace("_", " "),
    waiting > 0 ? color.yellow(String(waiting)) : "-",
    client(peer),
    place(peer, ownHost),
    relativeTime(seenMs, nowMs),
  ];
}

function client({ kind, profile }: Peer): string {
  if (kind === PeerKind.PERSON) return "a person";
  const words = [profile?.clientName ?? "", profile?.clientVersion ?? ""];
  return peerLine(words.join(" ")) || "-";
}

/** Directory and branch, with the machine in front of it where it is another one. */
function place({ profile }: Peer, ownHost: string): string {
  if (profile === undefined) return "-";
  const { host, cwd, branch } = profile;
  const elsewhere = host !== "" && host !== ownHost;
  const path = !elsewhere && isBelow(cwd, homedir()) ? `~${cwd.slice(homedir().length)}` : cwd;
  const words = `${elsewhere ? `${host}:` : ""}${path}${branch === "" ? "" : ` (${branch})`}`;
  return peerLine(words) || "-";
}

function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

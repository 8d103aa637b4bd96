import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Peer } from "../../../gen/peerline/v1/peer_pb.js";
import { peerLine } from "../../contract/peer-text.js";
import { hostNamed } from "../../hosts/find-hosts.js";
import { count, relativeTime } from "../print/words.js";
import { commandLine } from "./advice.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { maxListed, staleMs } from "./limits.js";

/** Peers that nobody has been for long: mail for them waits for somebody who may not come. */
export function checkPeers({ broker, nowMs }: Evidence): Finding[] {
  if (broker.state !== "running") return [];
  const { peers } = broker;
  const seenMs = ({ lastSeenTime }: Peer) =>
    lastSeenTime === undefined ? nowMs : timestampMs(lastSeenTime);
  const stale = peers.filter((peer) => !peer.online && nowMs - seenMs(peer) >= staleMs);
  const withMail = stale.filter(({ waitingMessages }) => waitingMessages > 0n);
  const online = peers.filter((peer) => peer.online);
  const findings: Finding[] = withMail.slice(0, maxListed).map((peer) => ({
    id: "peers-stale",
    severity: "warning",
    subject: peer.name,
    seen: `last seen ${relativeTime(seenMs(peer), nowMs)}, and ${count(Number(peer.waitingMessages), "message")} for it wait`,
    mend: `Start its agent again: ${again(peer)}; or leave it: mail nobody reads expires`,
  }));
  const empty = stale.length - withMail.length;
  if (empty > 0) {
    const seen = `${count(empty, "peer")} not seen for a week, without mail; they are retired in time`;
    findings.push({ id: "peers-stale", severity: "note", subject: "peers", seen });
  }
  const known = `${online.length} online of ${peers.length}: ${namesOf(online)}`;
  const seen = online.length === 0 ? `none online, ${peers.length} known` : known;
  return [{ id: "peers", severity: "ok", subject: "peers", seen }, ...findings];
}

function namesOf(peers: readonly Peer[]): string {
  const names = peers.slice(0, maxListed).map(({ name }) => name);
  return peers.length > maxListed ? `${names.join(", ")} and others` : names.join(", ");
}

function again({ name, profile }: Peer): string {
  const cwd = profile?.cwd ?? "";
  // A path that would not be shown as it is could not be copied.
  const place = cwd !== "" && peerLine(cwd) === cwd ? `${commandLine("cd", cwd)} && ` : "";
  return `${place}PEERLINE_NAME=${name} ${hostNamed(profile?.clientName ?? "")?.programs[0] ?? "<your agent>"}`;
}

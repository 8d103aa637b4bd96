import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Peer } from "../../../gen/peerline/v1/peer_pb.js";
import { peerLine } from "../../contract/peer-text.js";
import { VERSION } from "../../endpoint/version.js";
import { hostNamed } from "../../hosts/find-hosts.js";
import { count, relativeTime } from "../print/words.js";
import { commandLine } from "./advice.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { maxListed, staleMs } from "../limits.js";
import { programVersion } from "./plain-start.js";
import { socketOf, type RunningProgram } from "./running-programs.js";

/** Agents that talk to different brokers cannot find each other, and nothing else tells of it. */
export function checkHomes({ config, running }: Evidence): Finding[] {
  if (running === undefined) {
    const seen =
      "this system does not show which homes running agents use: compare `peerline peers` with the agents that you have";
    return [{ id: "homes", severity: "note", subject: "agents", seen }];
  }
  const here = socketOf(config);
  const adapters = running.filter(({ kind }) => kind === "adapter");
  const elsewhere = running.filter(({ sockets }) => !sockets.includes(here));
  if (elsewhere.length === 0) {
    const seen =
      adapters.length === 0
        ? "none runs now"
        : `${count(adapters.length, "agent")} of this user, all at ${here}`;
    return [{ id: "homes", severity: "ok", subject: "agents", seen }];
  }
  const others = [...new Set(elsewhere.map(({ sockets }) => sockets.join(",")))];
  return others.map((other) => {
    const programs = elsewhere.filter(({ sockets }) => sockets.join(",") === other);
    return differs(other, programs, here);
  });
}

function differs(socket: string, programs: readonly RunningProgram[], here: string): Finding {
  const isAgents = programs.some(({ kind }) => kind === "adapter");
  return {
    id: "homes-differ",
    severity: isAgents ? "problem" : "note",
    subject: socket,
    seen: `${programs.slice(0, maxListed).map(words).join(", ")}: not at ${here}, as here`,
    fix: "Set PEERLINE_HOME and PEERLINE_BROKER the same for all, or nowhere; then restart those agents",
  };
}

function words({ kind, pid, cwd }: RunningProgram): string {
  return `${kind === "adapter" ? "an agent" : "a broker"} (pid ${pid}${cwd === undefined ? "" : `, in ${cwd}`})`;
}

/** The versions of the adapters that run, by the programs they were started from. */
export function checkAdapters({ running = [] }: Evidence): Finding[] {
  return running.flatMap(({ kind, pid, program, cwd }) => {
    if (kind !== "adapter") return [];
    const version = program === undefined ? undefined : programVersion(program);
    if (program !== undefined && (version === undefined || version === VERSION)) return [];
    const what = version === undefined ? "a program that was removed" : `version ${version}`;
    const where = cwd === undefined ? "" : ` in ${cwd}`;
    return {
      id: "adapter-version",
      severity: "warning",
      subject: program ?? `pid ${pid}`,
      seen: `the agent${where} (adapter ${pid}) runs ${what}, and this is ${VERSION}`,
      fix: "Restart that agent",
    } satisfies Finding;
  });
}

/** Peers that were not seen for long: their mail waits for somebody who may not come. */
export function checkPeers({ broker, nowMs }: Evidence): Finding[] {
  if (broker.state !== "running") return [];
  const { peers, info } = broker;
  if (peers.length === 0 && info.knownPeers > 0) {
    const seen = `${info.onlinePeers} online, ${info.knownPeers} known, which only the broker's own machine lists`;
    return [{ id: "peers", severity: "ok", subject: "peers", seen }];
  }
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
    fix: `Start its agent again: ${again(peer)}; or leave it: mail nobody reads expires`,
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

import {
  StoreInfo_Durability,
  type StoreInfo,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { visibleLine } from "../../contract/peer-text.js";
import { settingsPathIn } from "../../endpoint/home.js";
import { fullEnginePercent } from "../limits.js";
import { count } from "../print/words.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

/** The servers that keep what the broker that runs is given, where it has some. */
export function checkEngine({ broker, config, home }: Evidence): Finding[] {
  const store = broker.state === "running" ? broker.info.store : undefined;
  if (store === undefined || store.servers.length === 0) return [];
  const subject = store.technology;
  const settings = config.joined === undefined ? settingsPathIn(home.path) : "broker.toml there";
  const findings = [
    ...troubles(store),
    ...room(store),
    ...(store.durability === StoreInfo_Durability.QUORUM_MEMORY ? [lazy(settings)] : []),
  ];
  const leaders = store.servers.filter(({ leads }) => leads.length > 0).length;
  const seen = `${count(store.servers.length, "server")}, ${leaders} of them leading streams`;
  const isWell = findings.every(({ severity }) => severity === "note");
  const all: Finding[] = isWell ? [{ id: "engine", severity: "ok", subject, seen }] : [];
  return [...all, ...findings];
}

function troubles({ servers }: StoreInfo): Finding[] {
  return servers.flatMap(({ name, online, behind }): Finding[] => {
    const subject = visibleLine(name);
    if (!online) {
      const seen = "the other servers do not hear of it: what it keeps is on fewer of them";
      const fix = "Start it again, or look at the network to it; then it catches up by itself";
      return [{ id: "engine-server", severity: "warning", subject, seen, fix }];
    }
    if (behind === 0n) return [];
    const seen = `its copies are ${count(Number(behind), "write")} behind`;
    const fix =
      "Wait a little: it catches up by itself. Where it does not, look at its disk and log";
    return [{ id: "engine-server", severity: "warning", subject, seen, fix }];
  });
}

function room({ bytes, maxBytes }: StoreInfo): Finding[] {
  const percent = maxBytes === 0n ? 0 : Number((bytes * 100n) / maxBytes);
  if (percent < fullEnginePercent) return [];
  const seen = `its streams have used ${percent} % of what they may hold`;
  const fix = "Set mail_bytes in [limits] of broker.toml higher, or closed_messages_days lower";
  return [{ id: "engine-full", severity: "warning", subject: "streams", seen, fix }];
}

function lazy(subject: string): Finding {
  const seen =
    "what was accepted a moment before is lost when the power of all servers fails at once";
  const fix = `Where that matters: set sync_interval: always in the jetstream block of each server, and sync_interval = "always" in [nats]`;
  return { id: "engine-durability", severity: "note", subject, seen, fix };
}

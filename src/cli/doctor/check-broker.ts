import { existsSync } from "node:fs";
import { settingNames, settings } from "../../contract/settings.js";
import type { Config } from "../../endpoint/config.js";
import type { JoinedBroker } from "../../endpoint/joined-broker.js";
import { readBrokerSettings } from "../../endpoint/broker-settings.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import { readNatsAccess } from "../../endpoint/nats-access.js";
import { readStoreSettings, storeKey } from "../../endpoint/store-settings.js";
import { settingsPathIn } from "../../endpoint/home.js";
import { notYetInForce } from "../commands/config.js";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { StoreInfo } from "../../../gen/peerline/v1/broker_service_pb.js";
import { afterStop, otherVersion } from "../../endpoint/version.js";
import { count, span } from "../print/words.js";
import { advise, asidePath, commandLine } from "./advice.js";
import type { PlaceView, RunningBroker } from "./broker-view.js";
import { checkChain, gone } from "./check-chain.js";
import { endHolder, type LockHolder } from "./check-lock.js";
import type { Evidence } from "./evidence.js";
import { withoutSubject, type Finding } from "./finding.js";
import { clockToleranceMs } from "../limits.js";
import { socketOf } from "./running-programs.js";

/** Whether a broker runs, answers, and is of this version. */
export function checkBroker(evidence: Evidence): Finding[] {
  return [...evidence.brokers.map((broker) => place(broker, evidence)), ...broker(evidence)];
}

/** One of several that PEERLINE_BROKER names. */
function place({ endpoint: subject, version, why }: PlaceView, { brokers }: Evidence): Finding {
  const id = "broker-place";
  if (version !== undefined)
    return { id, severity: "ok", subject, seen: `answers, version ${version}` };
  const isAny = brokers.some((other) => other.version !== undefined);
  const fix =
    "Agents use the next one that answers: start it again, or take it out of PEERLINE_BROKER";
  const seen = withoutSubject(why ?? "", subject);
  return { id, severity: isAny ? "warning" : "problem", subject, seen, fix };
}

function broker(evidence: Evidence): Finding[] {
  const { config, home } = evidence;
  if (config.joined !== undefined) {
    return [joined(config.joined, config), ...checkChain(evidence), ...judge(evidence)];
  }
  if (!config.ownsBroker) return [elsewhere(evidence), ...judge(evidence)];
  return home.state === "usable" || home.state === "missing" ? judge(evidence) : [];
}

function joined({ machine }: JoinedBroker, { endpoint: subject }: Config): Finding {
  const seen = `this home has joined it, as ${machine}: agents here use it, and start none`;
  return { id: "broker-joined", severity: "note", subject, seen };
}

function elsewhere({ config }: Evidence): Finding {
  const seen = "PEERLINE_BROKER names it here: agents without that variable use their home's own";
  return { id: "broker-elsewhere", severity: "note", subject: config.endpoint, seen };
}

function judge(evidence: Evidence): Finding[] {
  const { config, broker } = evidence;
  const { endpoint: subject, socketPath: socket = "" } = config;
  switch (broker.state) {
    case "running":
      return [running(evidence, broker), ...version(evidence, broker)];
    case "absent":
      return [absent(evidence)];
    case "left": {
      const seen = "the socket is there and no broker behind it: it was killed, or the machine";
      const fix = config.ownsBroker
        ? "None is needed: the next agent starts a broker, which takes the socket's place"
        : "Start the broker that PEERLINE_BROKER names, or the `ssh` that forwards its socket; or unset the variable";
      const severity = config.ownsBroker ? "note" : "problem";
      return [{ id: "broker-socket-left", severity, subject, seen, fix }];
    }
    case "foreign": {
      const seen = "what is there is no socket of this user's";
      const advice = config.ownsBroker
        ? advise([commandLine("mv", socket, asidePath(socket))])
        : { fix: "Set PEERLINE_BROKER to a socket of your own, or unset it" };
      return [{ id: "broker-socket-foreign", severity: "problem", subject, seen, ...advice }];
    }
    case "silent": {
      return [{ id: "broker-silent", severity: "problem", subject, ...silent(evidence) }];
    }
    case "away": {
      // The link that does not hold is told by itself.
      if (evidence.chain?.broken !== undefined) return [];
      const seen = withoutSubject(broker.why, subject);
      const fix = `Wake that machine, start an agent or run \`peerline share\` on it, and look at \`peerline share --status\` there; ${gone}`;
      return [{ id: "broker-away", severity: "problem", subject, seen, fix }];
    }
    case "unseen": {
      const advice = config.ownsBroker
        ? end(evidence)
        : { fix: "Set PEERLINE_HOME to the home of that broker, or unset PEERLINE_BROKER" };
      return [{ id: "broker-unseen", severity: "warning", subject, seen: broker.why, ...advice }];
    }
  }
}

function running({ config, nowMs, lock }: Evidence, { info }: RunningBroker): Finding {
  const place = config.joined === undefined ? placeWords(info.pid, lock.holder) : " there";
  const where = `pid ${info.pid}${place}`;
  const upMs = info.startTime === undefined ? 0 : nowMs - timestampMs(info.startTime);
  const seen = `version ${info.version}, ${where}, up ${span(Math.max(upMs, 0))}, ${info.onlinePeers} online`;
  return { id: "broker", severity: "ok", subject: config.endpoint, seen };
}

/** From outside of a container its processes are seen, with other numbers. */
function placeWords(pid: number, holder: LockHolder | undefined): string {
  if (holder === undefined || (holder.place === "here" && holder.pid === pid)) return "";
  return ` in another container${holder.place === "here" ? `, ${holder.pid} here` : ""}`;
}

function version({ config, self }: Evidence, { info }: RunningBroker): Finding[] {
  const other = otherVersion(info.version, { config, self });
  if (other === undefined) return [];
  const { seen, fix, command } = other;
  const advice = command === undefined ? { fix } : advise([command], afterStop);
  return [{ id: "broker-version", severity: "warning", subject: config.endpoint, seen, ...advice }];
}

function absent({ config }: Evidence): Finding {
  const subject = config.endpoint;
  if (config.ownsBroker) {
    const seen = "no broker runs: the first agent starts one";
    return { id: "broker-absent", severity: "note", subject, seen };
  }
  const seen = "no broker is there, and none is started there from here";
  const fix =
    "Start it where it belongs, or the `ssh` that forwards its socket; or unset PEERLINE_BROKER";
  return { id: "broker-absent", severity: "problem", subject, seen, fix };
}

/** It does not answer, so it cannot be asked to stop. A process without the home's lock is not the home's broker. */
function silent(evidence: Evidence): Pick<Finding, "seen" | "fix" | "commands"> {
  const { config, lock } = evidence;
  const seen = "it takes connections and does not answer";
  const { socketPath: socket = "" } = config;
  if (config.ownsBroker && lock.state === "free") {
    const foreign = `${seen}, and it is no broker of this home, whose lock is free`;
    return { seen: foreign, ...advise([commandLine("mv", socket, asidePath(socket))]) };
  }
  return { seen, ...end(evidence) };
}

/** It cannot be asked to stop. What it has accepted is on the disk. */
function end({ config, running, lock }: Evidence): Pick<Finding, "fix" | "commands"> {
  if (config.ownsBroker && lock.holder !== undefined) return endHolder(lock.holder);
  const here = socketOf(config);
  const pid = running?.find(
    ({ kind, sockets }) => kind === "broker" && sockets.includes(here),
  )?.pid;
  if (pid !== undefined) return endHolder({ pid, place: "here" });
  return { fix: `End its process: ${commandLine("fuser", "-k", config.socketPath ?? "")}` };
}

/** What the broker says of its store. */
export function checkStore({ config, home, broker, self }: Evidence): Finding[] {
  if (broker.state !== "running" || broker.info.store === undefined) return [];
  const { store } = broker.info;
  const subject = config.joined === undefined ? home.path : config.endpoint;
  const findings: Finding[] = [];
  if (!store.writable) {
    const fix = `Fix that; ${self} status says when it takes messages again`;
    const seen = `it takes no messages: ${store.problem}`;
    findings.push({ id: "store-closed", severity: "problem", subject, seen, fix });
  }
  if (store.damagedMessages > 0n) {
    const damaged = count(Number(store.damagedMessages), "damaged message");
    const seen = `${damaged} set aside, which nobody gets`;
    const fix = `Ask their senders to send them again: ${self} log; then test the disk`;
    findings.push({ id: "store-damaged", severity: "warning", subject, seen, fix });
  }
  for (const seen of store.damages) {
    const fix = `Test the disk. What was lost is in the words above and in ${self} log`;
    findings.push({ id: "store-damaged", severity: "warning", subject, seen, fix });
  }
  return findings.length > 0 ? findings : [healthy(store, subject)];
}

function healthy({ technology, bytes }: StoreInfo, subject: string): Finding {
  const seen = `${technology}, takes messages, ${(Number(bytes) / 2 ** 20).toFixed(1)} MiB`;
  return { id: "store", severity: "ok", subject, seen };
}

/** Times that the broker gave and that are still to come: the clock was set back since, or was wrong. */
export function checkClock({ config, broker, nowMs, self }: Evidence): Finding[] {
  // Of another machine the clocks are compared.
  if (broker.state !== "running" || config.joined !== undefined) return [];
  const { startTime } = broker.info;
  const findings: Finding[] = [];
  const startedInMs = startTime === undefined ? 0 : timestampMs(startTime) - nowMs;
  if (startedInMs > clockToleranceMs) {
    const seen = `the broker started ${span(startedInMs)} from now: the clock was set back`;
    const fix = `Set the clock right, then ${self} stop (agents that run start the broker again)`;
    findings.push({ id: "clock", severity: "warning", subject: "clock", seen, fix });
  }
  const newestInMs = (broker.newestMs ?? nowMs) - nowMs;
  if (newestInMs > clockToleranceMs) {
    const seen = `the newest message was accepted ${span(newestInMs)} from now: the clock is slow, or was fast`;
    const fix = "Set the clock right; messages of that time expire later than they say";
    findings.push({ id: "clock", severity: "warning", subject: "clock", seen, fix });
  }
  return findings;
}

/** What the operator has set in `broker.toml`, and whether the broker that runs keeps to it. */
export async function checkSettings({
  config,
  home,
  broker,
  nowMs,
  self,
}: Evidence): Promise<readonly Finding[]> {
  const subject = settingsPathIn(home.path);
  if (!config.ownsBroker || home.state !== "usable" || !existsSync(subject)) return [];
  try {
    const values = await readBrokerSettings(subject);
    const store = await readStoreSettings(subject);
    // Its files of secrets and certificates, too, must be such that a broker starts with them.
    if (store.technology === "nats") await readNatsAccess(store, nowMs);
    const changed = broker.state === "running" ? notYetInForce(values, store, broker.info) : [];
    if (changed.length > 0) {
      const seen = `the broker that runs has not read it yet: ${changed.join(", ")}`;
      const advice = advise([`${self} stop`], "agents that run start it again");
      return [{ id: "broker-settings-unread", severity: "warning", subject, seen, ...advice }];
    }
    const set = [
      ...(store.technology === "sqlite" ? [] : [storeKey]),
      ...settingNames.filter((name) => values[name] !== settings[name].usual),
    ];
    const seen = `${count(set.length, "setting")} other than usual${set.length > 0 ? `: ${set.join(", ")}` : ""}`;
    return [{ id: "broker-settings", severity: "ok", subject, seen }];
  } catch (error) {
    if (!(error instanceof EndpointError)) throw error;
    const fix = "Correct what it names, or move the file away: no broker starts with it as it is";
    return [
      { id: "broker-settings-invalid", severity: "problem", subject, seen: error.message, fix },
    ];
  }
}

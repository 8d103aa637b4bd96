import { createHash, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { join } from "node:path";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Listener } from "../../../gen/peerline/v1/machine_pb.js";
import { renewBeforeMs } from "../../contract/limits.js";
import { readShareSettings, type ShareSettings } from "../../endpoint/broker-settings.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import { formatAddress, readAddress } from "../../endpoint/endpoint.js";
import { lookAtServer, type BrokenLink } from "../../endpoint/follow-chain.js";
import { settingsPathIn } from "../../endpoint/home.js";
import { readAuthority, readOwnCertificate } from "../../endpoint/kept-certificate.js";
import { renewToleranceMs } from "../limits.js";
import { clockTime, count, span } from "../print/words.js";
import { advise } from "./advice.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";

/** Whether other machines reach this home's broker, where it is shared. */
export async function checkSharing(evidence: Evidence, signal: AbortSignal): Promise<Finding[]> {
  const { config, home, broker, nowMs } = evidence;
  if (!config.ownsBroker || broker.state !== "running") return [];
  const { listener, machines = [] } = broker.sharing ?? {};
  const settings = await readSettings(home.path);
  if (settings === "unreadable" || (settings === undefined && listener === undefined)) return [];
  if (settings === undefined || listener === undefined || !isAsSet(listener, settings)) {
    return [unread(evidence, settings, listener)];
  }
  const letIn = machines.filter(({ revokeTime }) => revokeTime === undefined);
  const connected = letIn.filter(({ connections }) => connections > 0).length;
  const seen = `other machines are answered over TLS 1.3; ${count(letIn.length, "machine")} let in, ${connected} connected now`;
  const subject = listener.address;
  return [
    { id: "sharing", severity: "ok", subject, seen },
    (await early(home.path, listener, nowMs)) ?? certificate(listener, nowMs),
    await address(home.path, listener, signal),
    reach(settings),
  ];
}

/** How a home is shared; undefined where it is not. What is wrong with the file is a finding of its own. */
export async function readSettings(
  home: string,
): Promise<ShareSettings | undefined | "unreadable"> {
  try {
    return await readShareSettings(settingsPathIn(home));
  } catch (error) {
    if (error instanceof EndpointError) return "unreadable";
    throw error;
  }
}

function isAsSet(listener: Listener, { listen, address: told }: ShareSettings): boolean {
  return (
    listener.address === formatAddress(listen) && listener.advertisedAddress === formatAddress(told)
  );
}

function unread(
  { home, self }: Evidence,
  settings: ShareSettings | undefined,
  listener: Listener | undefined,
): Finding {
  const subject = settingsPathIn(home.path);
  const set = settings === undefined ? "nowhere" : `on ${formatAddress(settings.listen)}`;
  const done = listener === undefined ? "does not" : `does on ${listener.address}`;
  const seen = `the broker is to listen to other machines ${set}, and ${done}: the file was changed since, or the port is taken (broker.log says which)`;
  const command = `${self} share${settings === undefined ? " --off" : ""}`;
  const advice = advise([command], "what keeps the broker from it is said there");
  return { id: "sharing-unread", severity: "problem", subject, seen, ...advice };
}

/** What other machines trust no sooner than later: it was made by a clock that was ahead, or this one is behind. */
async function early(
  home: string,
  { address: subject, caSha256 }: Listener,
  nowMs: number,
): Promise<Finding | undefined> {
  const ca = await ownAuthority(home, caSha256);
  if (ca === undefined) return undefined;
  const own = await readOwnCertificate(join(home, "tls", "server.pem")).catch(passOver);
  const fromMs = Math.max(
    ...[ca, own?.certificate ?? ca].map((pem) => Date.parse(new X509Certificate(pem).validFrom)),
  );
  if (fromMs <= nowMs) return undefined;
  const isOwn = Date.parse(new X509Certificate(ca).validFrom) <= nowMs;
  const seen = `its certificate${isOwn ? "" : " authority"} is good from ${clockTime(fromMs, nowMs)} on, ${span(fromMs - nowMs)} from now: this clock is behind, or was ahead when it was made`;
  const fix = isOwn
    ? renew
    : `Set the clock right if it is behind. If it is right, run \`peerline share --off\`, remove ${join(home, "tls")}, and let each machine join anew`;
  return { id: "sharing-certificate", severity: "problem", subject, seen, fix };
}

const renew =
  "Set the clock right if it is wrong, then run `peerline share`: it makes the certificate anew, or says why it cannot";

function certificate(
  { address: subject, certificateExpireTime: end }: Listener,
  nowMs: number,
): Finding {
  const id = "sharing-certificate";
  const endMs = end === undefined ? nowMs : timestampMs(end);
  const until = clockTime(endMs, nowMs);
  if (endMs > nowMs + renewBeforeMs - renewToleranceMs) {
    const seen = `its certificate is good until ${until}, ${span(endMs - nowMs)} from now, and is made anew before`;
    return { id, severity: "ok", subject, seen };
  }
  const isOver = endMs <= nowMs;
  const seen = isOver
    ? `its certificate ended ${span(nowMs - endMs)} ago: other machines trust it no more`
    : `its certificate ends ${span(endMs - nowMs)} from now, and should have been made anew`;
  return { id, severity: isOver ? "problem" : "warning", subject, seen, fix: renew };
}

/** From here it can be seen whether the address leads to this broker, not whether it does from elsewhere. */
async function address(home: string, listener: Listener, signal: AbortSignal): Promise<Finding> {
  const id = "sharing-address";
  const subject = listener.advertisedAddress;
  const told = readAddress(subject);
  const ca = await ownAuthority(home, listener.caSha256);
  const { broken } = told === undefined ? {} : await lookAtServer(told, ca, signal);
  if (broken === undefined) {
    return { id, severity: "ok", subject, seen: "the address in the line to join with leads here" };
  }
  const seen = `the address in the line to join with does not lead here from this machine: ${whyNot(broken)}`;
  const fix =
    "Run `peerline share --address HOST:PORT` with an address that the other machines reach";
  return { id, severity: "warning", subject, seen, fix };
}

function whyNot(broken: BrokenLink): string {
  switch (broken.link) {
    case "name":
      return `its name is not known (${broken.errno})`;
    case "port":
      return `nothing takes connections there (${broken.errno})`;
    case "certificate":
      return (
        {
          "other-name": "the certificate is not for it",
          ended: "the certificate has ended",
          early: "the certificate has not begun",
        }[broken.fault as string] ?? "something else answers there"
      );
    case "credential":
    case "answer":
      return "it does not answer";
  }
}

/** The authority that the broker made, as PEM; undefined where it is another one that vouches for it. */
async function ownAuthority(home: string, sha256: string): Promise<string | undefined> {
  const found = await readAuthority(join(home, "tls", "ca.pem")).catch(passOver);
  if (found === undefined) return undefined;
  const { raw } = new X509Certificate(found.certificate);
  return createHash("sha256").update(raw).digest("hex") === sha256 ? found.certificate : undefined;
}

/** What is wrong with the file is a finding of its own. */
function passOver(error: unknown): undefined {
  if (!(error instanceof EndpointError)) throw error;
}

function reach({ listen, address: told }: ShareSettings): Finding {
  const id = "sharing-reach";
  const subject = formatAddress(listen);
  if (listen.host === "::1" || (isIP(listen.host) === 4 && listen.host.startsWith("127."))) {
    const seen =
      "it listens on this machine's loopback alone: other machines come through a tunnel only";
    return { id, severity: "note", subject, seen };
  }
  const seen = "whether a firewall lets other machines in cannot be seen from here";
  const fix = `Try \`nc -vz ${told.host} ${told.port}\` there; if it fails, let the port in here, for example by \`sudo ufw allow ${listen.port}/tcp\``;
  return { id, severity: "note", subject, seen, fix };
}

import { certificateSkewMs, renewBeforeMs } from "../../contract/limits.js";
import type {
  BrokenLink,
  CertificateFault,
  CertificateSpan,
  Chain,
} from "../../endpoint/follow-chain.js";
import { formatAddress, formatEndpoint, type Address } from "../../endpoint/endpoint.js";
import type { JoinedBroker } from "../../endpoint/joined-broker.js";
import { clockToleranceMs, slowRoundTripMs } from "../limits.js";
import { clockTime, span } from "../print/words.js";
import { advise } from "./advice.js";
import type { Evidence } from "./evidence.js";
import { withoutSubject, type Finding } from "./finding.js";

/** The way to the broker that this home has joined: each link that holds, and the first that does not. */
export function checkChain(evidence: Evidence): Finding[] {
  const { config, chain, nowMs } = evidence;
  if (config.joined === undefined || chain === undefined) return [];
  const { endpoint, machine, scope } = config.joined;
  const subject = config.endpoint;
  const ok = (id: Finding["id"], seen: string): Finding => ({ id, severity: "ok", subject, seen });
  const findings: Finding[] = [];
  if (chain.addresses !== undefined) {
    findings.push(ok("chain-name", `${endpoint.host} is ${chain.addresses.join(", ")} here`));
  }
  if (chain.isOpen === true) {
    findings.push(ok("chain-port", `something takes connections at port ${endpoint.port}`));
  }
  if (chain.certificate !== undefined && chain.broken?.link !== "certificate") {
    const { endMs } = chain.certificate;
    const until = `good until ${clockTime(endMs, nowMs)}, ${span(endMs - nowMs)} from now`;
    findings.push(ok("chain-certificate", `it is the broker that was joined; ${until}`));
  }
  if (chain.clockAheadMs !== undefined) {
    findings.push(clockFinding(chain.clockAheadMs, chain.certificate, nowMs));
  }
  if (chain.info !== undefined) {
    findings.push(ok("chain-credential", `it lets this machine in, as ${machine}, scope ${scope}`));
  }
  if (chain.roundTripMs !== undefined) findings.push(roundTrip(subject, chain.roundTripMs));
  if (chain.broken !== undefined) findings.push(broken(evidence, config.joined, chain.broken));
  return findings;
}

function roundTrip(subject: string, ms: number): Finding {
  const seen = `a call takes ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms, by the median of some`;
  const finding = { id: "round-trip", subject, seen } as const;
  if (ms < slowRoundTripMs) return { ...finding, severity: "ok" };
  const fix = "Look at what is between the machines, such as a VPN or a weak wireless link";
  return { ...finding, severity: "warning", fix };
}

/**
 * How far two clocks are apart, and what comes of it. A broker's certificate begins an hour before it is made,
 * and is made anew a month before it ends: beyond that the clocks break it.
 *
 * @param aheadMs of the broker's clock, before this one
 */
export function clockFinding(
  aheadMs: number,
  certificate: CertificateSpan | undefined,
  nowMs: number,
): Finding {
  const id = "clock";
  const subject = "clock";
  const apartMs = Math.abs(aheadMs);
  if (apartMs <= clockToleranceMs) {
    const seen = `it is the broker's, within ${Math.max(1, Math.ceil(apartMs / 1000))} s`;
    return { id, severity: "ok", subject, seen };
  }
  const isSlow = aheadMs > 0;
  const boundMs = isSlow ? certificateSkewMs : renewBeforeMs;
  const breaksMs = isSlow
    ? (certificate?.endMs ?? nowMs) - renewBeforeMs - aheadMs
    : certificate?.endMs;
  const isBroken = apartMs > boundMs && breaksMs !== undefined;
  const from = isBroken ? clockTime(Math.max(breaksMs, nowMs), nowMs) : "";
  const certificates = isBroken
    ? `from ${from} on its certificate is refused here`
    : `its certificates are good here as long as this is less than ${span(boundMs)}`;
  const seen = `this machine's is ${span(apartMs)} ${isSlow ? "behind" : "ahead of"} the broker's: messages expire by the broker's, and ${certificates}`;
  return { id, severity: isBroken ? "problem" : "warning", subject, seen, fix: setClock };
}

const setClock =
  "Compare `date -u` on both machines, and set the wrong one right (`timedatectl set-ntp true` keeps it so)";

function broken({ self, nowMs, chain }: Evidence, joined: JoinedBroker, link: BrokenLink): Finding {
  const { endpoint } = joined;
  const subject = formatAddress(endpoint);
  const severity = "problem";
  switch (link.link) {
    case "name": {
      const seen = `the name ${endpoint.host} is not known here (${link.errno})`;
      const fix = `Set PEERLINE_BROKER=tls:HOST:${endpoint.port} for the agents here, with a name or address of that machine that works; or run \`peerline share --address HOST:${endpoint.port}\` there, and join again`;
      return { id: "chain-name", severity, subject, seen, fix };
    }
    case "port":
      return { id: "chain-port", severity, subject, ...portTrouble(endpoint, link.errno) };
    case "certificate": {
      const trouble = certificateTrouble(link.fault, endpoint, chain, nowMs);
      return { id: "chain-certificate", severity, subject, ...trouble };
    }
    case "credential": {
      const seen = `it does not let ${joined.machine} in: this machine was revoked there, or that broker was set up anew`;
      const advice = advise(
        [`${self} leave`],
        "then join again with a new line of `peerline share`",
      );
      return { id: "chain-credential", severity, subject, seen, ...advice };
    }
    case "answer": {
      const seen = withoutSubject(link.why, formatEndpoint(endpoint));
      const fix =
        "Look at the broker's log, broker.log in its home; `peerline doctor` there says more";
      return { id: "broker-away", severity, subject, seen, fix };
    }
  }
}

/** Ends the advice for a broker that may never come back. */
export const gone = "if it is gone for good, `peerline leave` here";

function portTrouble({ port }: Address, errno: string): { seen: string; fix: string } {
  switch (errno) {
    case "ECONNREFUSED":
      return {
        seen: `nothing listens at port ${port} there`,
        fix: `Run \`peerline share\` on that machine: it starts the broker and has it listen; \`peerline share --status\` says where; ${gone}`,
      };
    case "ETIMEDOUT":
      return {
        seen: "nobody answers in time: that machine is off or elsewhere, or a firewall drops what comes",
        fix: `Wake that machine, and see that its firewall lets port ${port} in, for example \`sudo ufw allow ${port}/tcp\` there; ${gone}`,
      };
    default:
      return {
        seen: `there is no way to it now (${errno})`,
        fix: `Wake that machine, and see that both are in one network, or in one VPN; ${gone}`,
      };
  }
}

function certificateTrouble(
  fault: CertificateFault,
  { host, port }: Address,
  chain: Chain | undefined,
  nowMs: number,
): { seen: string; fix: string } {
  const { fromMs = nowMs, endMs = nowMs } = chain?.certificate ?? {};
  const renew = `${setClock}; if both are right, run \`peerline share\` there, which makes the certificate anew`;
  switch (fault) {
    case "no-tls":
      return {
        seen: "what takes connections there does not speak TLS 1.3: it is no broker of Peerline, or it refuses this address after many wrong credentials",
        fix: `See what has port ${port} there; \`peerline share --status\` on that machine says where its broker listens`,
      };
    case "silent":
      return {
        seen: "something takes connections there and says nothing",
        fix: `See what has port ${port} there; if it is the broker, \`peerline doctor\` on that machine says how to end it`,
      };
    case "foreign":
      return {
        seen: "what answers is not the broker that was joined: its machine was set up anew, or somebody stands between",
        fix: "Ask whoever keeps that machine. If it was set up anew: `peerline leave`, and join with a new line",
      };
    case "ended":
      return {
        seen: `its certificate ended ${span(nowMs - endMs)} ago by this clock, and is made anew ${span(renewBeforeMs)} before that: one of the two clocks is wrong, or the broker could not make it`,
        fix: renew,
      };
    case "early":
      return {
        seen: `its certificate begins ${span(fromMs - nowMs)} from now by this clock, and began ${span(certificateSkewMs)} before it was made: this machine's clock is behind, or the broker's ahead`,
        fix: setClock,
      };
    case "other-name":
      return {
        seen: `its certificate is of the broker that was joined, and not for ${host}`,
        fix: `Run \`peerline share --address ${formatAddress({ host, port })}\` on that machine: it makes the certificate anew, and this one need not join again`,
      };
  }
}

import { statSync } from "node:fs";
import { join } from "node:path";
import type { Config, UserPlaces } from "../../endpoint/config.js";
import { startClaimMs } from "../../endpoint/limits.js";
import { selfCommand } from "../self.js";
import { lookAtBroker, type BrokerView } from "./broker-view.js";
import { lookAtHome, type HomeView } from "./home-view.js";
import { lookAtHosts, type HostView } from "./host-view.js";
import { lockHolder } from "./lock-holder.js";
import { findRunning, type RunningProgram } from "./running-programs.js";

/** Where the doctor was asked, and by whom. */
export interface Asked {
  readonly config: Config;
  readonly places: UserPlaces;
  /** The directory that it was asked in. */
  readonly project: string;
  /** Absolute path of this program. */
  readonly program: string;
  readonly nowMs: number;
}

/** What the checks have to go by. Nothing is changed to get it. */
export interface Evidence extends Asked {
  /** How a person calls this program here. */
  readonly self: string;
  readonly home: HomeView;
  readonly broker: BrokerView;
  readonly hosts: readonly HostView[];
  /** This user's adapters and brokers; undefined where the system does not show them. */
  readonly running: readonly RunningProgram[] | undefined;
  /** The process that holds the home's lock; undefined where nobody does, or it cannot be seen. */
  readonly lockHolder: number | undefined;
}

export async function gatherEvidence(asked: Asked, signal: AbortSignal): Promise<Evidence> {
  const { config, places, program } = asked;
  const home = lookAtHome(config.home);
  return {
    ...asked,
    self: selfCommand(program, places),
    home,
    broker: await lookAtBroker({ config, program, home, signal }),
    hosts: await lookAtHosts(asked),
    running: await findRunning(places.home),
    lockHolder: home.state === "usable" ? await lockHolder(home.path) : undefined,
  };
}

/** Nobody serves the home or is about to: its files are as the last broker left them, and nobody writes them. */
export function isAtRest({ home, broker, lockHolder, nowMs }: Evidence): boolean {
  const isServed = broker.state !== "absent" && broker.state !== "left";
  return (
    home.state === "usable" && !isServed && lockHolder === undefined && !isClaimed(home.path, nowMs)
  );
}

/** Where locks cannot be seen, this tells of a broker that is being started. */
function isClaimed(home: string, nowMs: number): boolean {
  const claim = statSync(join(home, "broker.starting"), { throwIfNoEntry: false });
  return claim !== undefined && Math.abs(nowMs - claim.mtimeMs) < startClaimMs;
}

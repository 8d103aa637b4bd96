import { join } from "node:path";
import { usingPlace, type Config, type UserPlaces } from "../../endpoint/config.js";
import { isClaimed } from "../../endpoint/start-turn.js";
import { selfCommand } from "../shell.js";
import { lookAtBroker, lookAtPlaces, type BrokerView, type PlaceView } from "./broker-view.js";
import { lookAtHome, type HomeView } from "./check-home.js";
import { lookAtHosts, type HostView } from "./check-hosts.js";
import { lookUntilSettled, type LockView } from "./check-lock.js";
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
  /** Of the places that the settings name, the one that agents use now. */
  readonly config: Config;
  readonly broker: BrokerView;
  /** Each such place, where there are several. */
  readonly brokers: readonly PlaceView[];
  readonly hosts: readonly HostView[];
  /** This user's adapters and brokers; undefined where the system does not show them. */
  readonly running: readonly RunningProgram[] | undefined;
  readonly lock: LockView;
}

export async function gatherEvidence(asked: Asked, signal: AbortSignal): Promise<Evidence> {
  const { places, program } = asked;
  const home = lookAtHome(asked.config.home);
  const brokers = await lookAtPlaces(asked.config, program, signal);
  const used = brokers.find(({ version }) => version !== undefined)?.place;
  const config = used === undefined ? asked.config : usingPlace(asked.config, used);
  const look = () => lookAtBroker({ config, program, home, signal });
  const { broker, lock } = await lookUntilSettled(home, look, signal);
  return {
    ...asked,
    config,
    brokers,
    self: selfCommand(program, places),
    home,
    broker,
    lock,
    hosts: await lookAtHosts(asked),
    running: await findRunning(places.home),
  };
}

/** Nobody serves the home or is about to: its files are as the last broker left them, and nobody writes them. */
export function isAtRest({ home, broker, lock, nowMs }: Evidence): boolean {
  const isServed = broker.state !== "absent" && broker.state !== "left";
  if (home.state !== "usable" || isServed || lock.state === "held") return false;
  // Where locks cannot be seen, this tells of a broker that is being started.
  return !isClaimed(join(home.path, "broker.starting"), nowMs);
}

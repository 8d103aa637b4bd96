import { join } from "node:path";
import { usingPlace, type Config, type UserPlaces } from "../../endpoint/config.js";
import { systemClock } from "../../clock.js";
import { followChain, type Chain } from "../../endpoint/follow-chain.js";
import { isClaimed } from "../../endpoint/start-turn.js";
import { selfCommand } from "../shell.js";
import { lookAtBroker, lookAtPlaces, type BrokerView, type PlaceView } from "./broker-view.js";
import { lookAtHome, type HomeView } from "./check-home.js";
import { lookAtHosts, type HostView } from "./check-hosts.js";
import { lookAtLock, lookUntilSettled, type LockView } from "./check-lock.js";
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
  /** The way to the broker that the home has joined; undefined where it has joined none. */
  readonly chain?: Chain | undefined;
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
  const { joined } = config;
  const chain = joined && (await followChain(joined, systemClock, signal));
  const { broker, lock } =
    chain === undefined
      ? await lookUntilSettled(home, look, signal)
      : {
          // Who cannot be reached is not asked again.
          broker: chain.broken === undefined ? await look() : away,
          lock: await lookAtLock(home, undefined),
        };
  return {
    ...asked,
    config,
    brokers,
    self: selfCommand(program, places),
    home,
    broker,
    chain,
    lock,
    hosts: await lookAtHosts(asked),
    running: await findRunning(places.home),
  };
}

const away = { state: "away", why: "it cannot be reached" } as const;

/** Nobody serves the home or is about to: its files are as the last broker left them, and nobody writes them. */
export function isAtRest({ home, broker, lock, nowMs }: Evidence): boolean {
  const isServed = broker.state !== "absent" && broker.state !== "left";
  if (home.state !== "usable" || isServed || lock.state === "held") return false;
  // Where locks cannot be seen, this tells of a broker that is being started.
  return !isClaimed(join(home.path, "broker.starting"), nowMs);
}

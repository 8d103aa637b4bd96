import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { expect } from "vitest";
import { Reach } from "../../../gen/peerline/v1/peer_pb.js";
import { hostPath, hostsPath } from "../../hosts/installed-hosts.js";
import type { ScriptLine } from "../../hosts/scripted-model/script.js";
import type { ModelOfAgent, ScriptedModel } from "../../hosts/scripted-model/scripted-model.js";
import { program as peerline, type BrokerHome } from "../../support/program.js";
import { eventually } from "../../support/test-broker.js";
import { Operator } from "../operator.js";
import type { AgentPlace, AgentStart, HostProgram } from "./host-program.js";
import { maxEndMs, maxStartMs } from "./limits.js";
import { processesOf } from "./processes.js";
import { PseudoTerminal } from "./pseudo-terminal.js";
import { runToEnd } from "./run-to-end.js";

export interface AgentOptions {
  /** The name that it asks for, and that of its project. */
  readonly name: string;
  /** Whether it asks for that name by a setting, which is the default, or has it by its project alone. */
  readonly isNamed?: boolean;
  /** The home that it uses, and its broker's operator where that home has joined another one. */
  readonly broker: Pick<BrokerHome, "path">;
  readonly operator?: Operator;
  readonly model: ScriptedModel;
  /** The network that it runs in, and where the model answers there. Default: that of the test. */
  readonly network?: { readonly by: readonly string[]; readonly modelUrl: string };
  /** What its model does. */
  readonly lines: readonly ScriptLine[];
  /** By `peerline install`, which is the default; as the plugin; or so that no doorbell reaches it. */
  readonly setup?: "installed" | "plugged" | "deaf";
}

/** A real host with a scripted model, in a home of its own in which Peerline was installed. */
export class RealAgent implements AsyncDisposable {
  readonly name: string;
  readonly model: ModelOfAgent;
  readonly #host: HostProgram;
  readonly #place: AgentPlace;
  readonly #start: AgentStart;
  readonly #operator: Operator;
  readonly #terminals: PseudoTerminal[] = [];

  static async make(host: HostProgram, options: AgentOptions): Promise<RealAgent> {
    const home = await realpath(await mkdtemp(join(tmpdir(), "pl-")));
    const agent = new RealAgent(host, home, options);
    await agent.#prepare(options);
    return agent;
  }

  private constructor(host: HostProgram, home: string, options: AgentOptions) {
    const { name, isNamed = true, broker, model, network, lines } = options;
    const key = `sk-ant-scripted-model-${name}`;
    this.name = name;
    this.model = model.agent(key, ...lines);
    this.#host = host;
    this.#place = {
      home,
      project: join(home, "projects", name),
      modelUrl: network?.modelUrl ?? model.url,
      key,
    };
    const env = {
      PATH: [join(home, "bin"), hostsPath].join(delimiter),
      HOME: home,
      TMPDIR: join(home, "tmp"),
      LANG: "C.UTF-8",
      TERM: "xterm-256color",
      // Nobody listens there: what a host would ask beyond this machine fails at once.
      HTTPS_PROXY: "http://127.0.0.1:9",
      NO_PROXY: "127.0.0.1",
      PEERLINE_HOME: broker.path,
      ...(isNamed ? { PEERLINE_NAME: name } : {}),
      ...host.environment(this.#place),
    };
    this.#start = { by: network?.by ?? [], cwd: this.#place.project, env };
    this.#operator = options.operator ?? new Operator(broker.path);
  }

  async #prepare({ setup = "installed" }: AgentOptions): Promise<void> {
    await mkdir(this.#place.project, { recursive: true });
    await mkdir(this.#start.env.TMPDIR);
    for (const [name, text] of Object.entries(this.#host.settings(this.#place))) {
      await this.#write(name, text);
    }
    const options = setup === "deaf" ? ["--trust", "--no-hooks"] : ["--trust"];
    const install = [peerline, "install", this.#host.name, ...options];
    if (setup === "plugged") await this.#plug();
    else await runToEnd([process.execPath, ...install], this.#start);
    await this.#host.consent?.(this.#start);
    // What would wake it through its own program finds one that refuses.
    if (setup === "deaf") await this.#addProgram(this.#host.name, "exit 1");
  }

  async #plug(): Promise<void> {
    await this.#addProgram("peerline", `exec '${process.execPath}' '${peerline}' "$@"`);
    for (const command of this.#host.plug(dirname(peerline))) {
      await runToEnd([hostPath(this.#host.name), ...command], this.#start);
    }
  }

  async #addProgram(name: string, script: string): Promise<void> {
    await chmod(await this.#write(`bin/${name}`, `#!/bin/sh\n${script}\n`), 0o755);
  }

  async #write(name: string, text: string): Promise<string> {
    const path = join(this.#place.home, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    return path;
  }

  /** Runs the host for one prompt, to its end. */
  async prompt(prompt: string): Promise<void> {
    await this.run(...this.#host.once(prompt));
  }

  /** Runs the host with these arguments, to its end. */
  async run(...args: readonly string[]): Promise<void> {
    try {
      await runToEnd([hostPath(this.#host.name), ...args], this.#start);
    } finally {
      this.model.record.throwFailure();
    }
  }

  /**
   * Starts the host at a terminal of its own, and waits until there is a peer for each open one and its
   * user can type. `more` are arguments beside the usual ones.
   */
  async open(...more: readonly string[]): Promise<PseudoTerminal> {
    const command = [hostPath(this.#host.name), ...this.#host.stay, ...more];
    const terminal = new PseudoTerminal(command, this.#start);
    this.#terminals.push(terminal);
    await terminal.shows(this.#host.ready);
    const open = this.#terminals.filter(({ isOpen }) => isOpen);
    await eventually(async () => {
      expect((await this.#online()).length).toBeGreaterThanOrEqual(open.length);
    }, maxStartMs);
    return terminal;
  }

  /**
   * Closes its terminals with all that they started, and waits until no peer of it is online. One after the
   * other: a host takes for its latest conversation the one that it wrote last, which may be at its end.
   */
  async close(): Promise<void> {
    const terminals = this.#terminals.splice(0);
    for (const terminal of terminals) await terminal.close();
    if (terminals.length > 0) await this.#host.endShared?.(this.#start);
    await eventually(async () => expect(await this.#online()).toEqual([]), maxEndMs);
  }

  /** The id of the conversation that the host keeps in the file which holds this text. */
  async conversationWith(text: string): Promise<string> {
    const folder = join(this.#place.home, this.#host.conversations);
    return eventually(async () => {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true });
      for (const entry of entries.filter((found) => found.isFile())) {
        const id = idInName.exec(entry.name)?.[0];
        if (id === undefined) continue;
        if ((await readFile(join(entry.parentPath, entry.name), "utf8")).includes(text)) return id;
      }
      throw new Error(`no conversation in ${folder} holds "${text}"`);
    });
  }

  /** Its peers that are online: a second one has a number after its name. */
  async #online(): Promise<string[]> {
    const isOwn = new RegExp(`^${this.name}(-\\d+)?$`);
    const peers = await this.#operator.peers();
    return peers.filter(({ online, name }) => online && isOwn.test(name)).map(({ name }) => name);
  }

  /** Waits until it is online, and is reached in this way or a better one. */
  async isReachedBy(reach: Reach): Promise<void> {
    await eventually(async () => {
      const peers = await this.#operator.peers();
      const reached = peers.filter((peer) => peer.online && peer.reach >= reach);
      expect(reached.map(({ name }) => name)).toContain(this.name);
    }, maxStartMs);
  }

  /** Closes its terminals. Nothing that it started may outlive it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { home } = this.#place;
    try {
      await this.close();
      await eventually(() => expect(processesOf(home)).toEqual([]), maxEndMs);
    } finally {
      for (const pid of processesOf(home)) process.kill(pid, "SIGKILL");
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}

const idInName = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/;

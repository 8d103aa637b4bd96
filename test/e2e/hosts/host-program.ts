import type { Role } from "../../hosts/scripted-model/model-request.js";
import type { ToolCall } from "../../hosts/scripted-model/script.js";

/** How a real host is run by a test: alone with a scripted model, without a question to its user. */
export interface HostProgram {
  /** Its program, which is also what `peerline install` calls it. */
  readonly name: string;
  /** What peers are told of it. */
  readonly client: string;
  /** Its own settings, by their paths in the home. `peerline install` adds to them. */
  settings(place: AgentPlace): Readonly<Record<string, string>>;
  environment(place: AgentPlace): Readonly<Record<string, string>>;
  /** The arguments that make it do one prompt and end. */
  once(prompt: string): readonly string[];
  /** The arguments with which it stays at a terminal. */
  readonly stay: readonly string[];
  /** Where in the home it keeps its conversations, in files that are named for them. */
  readonly conversations: string;
  /** What it shows at a terminal once its user can type. */
  readonly ready: string;
  /** The commands of its own that install Peerline's plugin; they are given the built files' folder. */
  plug(built: string): readonly (readonly string[])[];
  /** Consents, as its user does once, to the hooks that are installed, where the host waits for that. */
  consent?(start: AgentStart): Promise<void>;
  /** Ends what it started at a terminal to outlive its sessions. */
  endShared?(start: AgentStart): Promise<void>;
  /** A call of a tool of its own, for which it asks nobody. */
  readonly ownCall: ToolCall;
  /** As whose words its hooks show a doorbell to the model. */
  readonly hears: { readonly atPrompt: Role; readonly afterTool: Role; readonly atEnd: Role };
}

/** How its programs are run. */
export interface AgentStart {
  /** The words before each command; none where it runs in the network of the test. */
  readonly by: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv & { readonly HOME: string; readonly TMPDIR: string };
}

/** Where one agent lives. */
export interface AgentPlace {
  /** The home of its user. */
  readonly home: string;
  /** The folder it works in. */
  readonly project: string;
  readonly modelUrl: string;
  /** By which its model knows it. */
  readonly key: string;
}

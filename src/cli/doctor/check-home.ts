import { homedir } from "node:os";
import { join } from "node:path";
import { lstatSync } from "node:fs";
import { maxSocketPathBytes } from "../../endpoint/limits.js";
import { advise, commandLine } from "./advice.js";
import type { Evidence } from "./evidence.js";
import type { Finding, FindingId } from "./finding.js";
import type { HomeState } from "./home-view.js";

/** The directory that holds everything: whether it is there, this user's alone, and short enough. */
export function checkHome({ config, home }: Evidence): Finding[] {
  const { path, state } = home;
  if (state === "usable" || state === "missing") {
    return [present(home), ...isLink(config.home), ...isElsewhere(config.home)];
  }
  const { id, seen, advice } = troubles[state];
  return [{ id, severity: "problem", subject: path, seen: seen(path), ...advice(path) }];
}

function present({ path, state }: Evidence["home"]): Finding {
  return state === "usable"
    ? { id: "home", severity: "ok", subject: path, seen: "it is this user's alone" }
    : {
        id: "home-missing",
        severity: "note",
        subject: path,
        seen: "it is not there yet: the first agent makes it",
      };
}

function isLink(path: string): Finding[] {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return [];
  const seen = "it is a link: whoever changes where it leads parts the agents";
  return [{ id: "home-link", severity: "note", subject: path, seen }];
}

function isElsewhere(path: string): Finding[] {
  const usual = join(homedir(), ".peerline");
  if (path === usual) return [];
  const seen = `PEERLINE_HOME says so here: an agent that is started without it uses ${usual}`;
  return [{ id: "home-elsewhere", severity: "note", subject: path, seen }];
}

const anotherHome = () => ({ mend: "Set PEERLINE_HOME to a directory of your own, or unset it" });

const closed = (path: string) => advise([commandLine("chmod", "700", path)]);

const troubles: Record<
  Exclude<HomeState, "usable" | "missing">,
  {
    id: FindingId;
    seen: (path: string) => string;
    advice: (path: string) => Pick<Finding, "mend" | "commands">;
  }
> = {
  unmakeable: {
    id: "home-unusable",
    seen: () => "it is not there, and this user may not make it",
    advice: anotherHome,
  },
  unreachable: {
    id: "home-unusable",
    seen: () =>
      "it cannot be reached: something on its path is no directory, is closed, or leads nowhere",
    advice: anotherHome,
  },
  "not-a-folder": {
    id: "home-unusable",
    seen: () => "it is not a directory",
    advice: anotherHome,
  },
  "not-own": {
    id: "home-own",
    seen: () => "it belongs to another user",
    advice: anotherHome,
  },
  open: {
    id: "home-open",
    seen: () => "other users may enter it: nothing of Peerline starts",
    advice: closed,
  },
  locked: {
    id: "home-unusable",
    seen: () => "its owner may not read, write or enter it",
    advice: closed,
  },
  "path-long": {
    id: "home-path-long",
    seen: (path) => {
      const bytes = Buffer.byteLength(join(path, "broker.sock"));
      return `the socket's path has ${bytes} bytes, and may have ${maxSocketPathBytes}`;
    },
    advice: () => ({ mend: "Set PEERLINE_HOME to a shorter path, the same for all agents" }),
  },
};

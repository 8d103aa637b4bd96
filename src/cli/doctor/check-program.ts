import { realpathSync } from "node:fs";
import { isNodeTooOld, nodeVersion } from "../../endpoint/broker-command.js";
import { findForbidden, findProgram } from "../../endpoint/find-program.js";
import { openRegularFile } from "../../endpoint/regular-file.js";
import { VERSION } from "../../endpoint/version.js";
import { advise, commandLine, installGlobally } from "./advice.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { programVersion } from "./plain-start.js";

/** This program, and what a shell starts by the name of `peerline`. */
export async function checkProgram(
  { config, places, program }: Pick<Evidence, "config" | "places" | "program">,
  signal: AbortSignal,
): Promise<Finding[]> {
  const found = findProgram("peerline", places.programs);
  const advice = advise(
    [installGlobally(program)],
    "its folder, `npm prefix --global` and /bin, has to be on PATH, before others",
  );
  const self: Finding = {
    id: "program",
    severity: "ok",
    subject: program,
    seen: `peerline ${VERSION} on Node ${process.version}`,
  };
  const forbidden = found === undefined ? findForbidden("peerline", places.programs) : undefined;
  if (forbidden !== undefined) {
    const seen = "it is `peerline` on the search path, and may not be executed: Permission denied";
    const advice = advise([makeExecutable(forbidden)]);
    return [
      self,
      { id: "program-forbidden", severity: "problem", subject: forbidden, seen, ...advice },
    ];
  }
  if (found === undefined) {
    const seen = "`peerline` is not on the search path: entries that name the whole path work";
    return [self, { id: "program-path", severity: "note", subject: "PATH", seen, ...advice }];
  }
  if (realpathSync(found) === realpathSync(program)) {
    return [self, ...(await checkNode(found, { config, places, signal }))];
  }
  const version = programVersion(found) ?? "of unknown version";
  const other: Finding = {
    id: "program-path",
    severity: version === VERSION ? "note" : "warning",
    subject: found,
    seen: `\`peerline\` on the search path is another one (${version}) than this (${VERSION})`,
    ...advice,
  };
  return [self, other, ...(await checkNode(found, { config, places, signal }))];
}

/** The command that lets all execute a program; the file itself, where the search path has a link to it. */
export function makeExecutable(program: string): string {
  return commandLine("chmod", "755", realpathSync(program));
}

/** A script that `env` starts runs on whatever Node comes first. */
async function checkNode(
  script: string,
  {
    config,
    places,
    signal,
  }: Pick<Evidence, "config" | "places"> & { readonly signal: AbortSignal },
): Promise<Finding[]> {
  using file = openRegularFile(script);
  if (file?.read(0, envNode.length).toString("latin1") !== envNode) return [];
  const fix = "Install Node 20.19 or newer, and put its folder first on PATH";
  const node = findProgram("node", places.programs);
  if (node === undefined) {
    const seen = `${script} needs \`node\` on the search path, and there is none`;
    return [{ id: "program-node", severity: "problem", subject: "PATH", seen, fix }];
  }
  const version = await nodeVersion(node, { env: config.brokerEnvironment, signal });
  if (version !== undefined && !isNodeTooOld(version)) return [];
  const seen = `\`peerline\` would run on Node ${version ?? "of unknown version"}, and needs 20.19 or newer`;
  return [{ id: "program-node", severity: "problem", subject: node, seen, fix }];
}

const envNode = "#!/usr/bin/env node";

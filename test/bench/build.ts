import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { subjects } from "./row.js";

/** A build of the product that is measured. */
export interface Build {
  /** What its figures are named. */
  readonly label: string;
  /** Its folder `dist`. */
  readonly folder: string;
  readonly program: string;
}

/** This checkout's build, and those it is compared with. Throws where there is none. */
export function findBuilds(own: string, others: readonly string[]): readonly [Build, ...Build[]] {
  return [findBuild(own, subjects.ours), ...others.map((folder) => findBuild(folder, folder))];
}

function findBuild(folder: string, label: string): Build {
  const build = { label, folder: resolve(folder), program: resolve(folder, "peerline.js") };
  if (!existsSync(build.program)) throw new Error(`${build.program} is missing: build it first`);
  return build;
}

/** The subject of a build for what is measured of it in more than one way. */
export function subjectOf(build: Build, way: string): string {
  return build.label === subjects.ours ? way : `${way}, ${build.label}`;
}

/** Where the processes of the benchmark are. */
export function programFile(name: string): string {
  return join(import.meta.dirname, `${name}.js`);
}

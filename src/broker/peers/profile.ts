import {
  maxBranchBytes,
  maxClientNameBytes,
  maxClientVersionBytes,
  maxPathBytes,
} from "../../contract/limits.js";
import { create } from "@bufbuild/protobuf";
import { ProfileSchema, type Profile } from "../../../gen/peerline/v1/peer_pb.js";
import { isOriginName } from "../../contract/repository.js";
import { boundBytes, cleanLine } from "../fields.js";
import { maxHostBytes, maxSummaryBytes } from "../limits.js";

const bounds = {
  clientName: ["profile.client_name", maxClientNameBytes],
  clientVersion: ["profile.client_version", maxClientVersionBytes],
  host: ["profile.host", maxHostBytes],
  cwd: ["profile.cwd", maxPathBytes],
  root: ["profile.root", maxPathBytes],
  branch: ["profile.branch", maxBranchBytes],
  summary: ["profile.summary", maxSummaryBytes],
  repository: ["profile.repository", maxPathBytes],
} as const;

/**
 * Checks what a client says of itself, and makes each string one line. A repository that is neither a path nor the
 * name of an origin is none: such a URL may hold a password.
 */
export function readProfile(profile: Profile | undefined): Profile {
  const clean = create(ProfileSchema);
  for (const property of Object.keys(bounds) as (keyof typeof bounds)[]) {
    const [field, maximum] = bounds[property];
    const value = profile?.[property] ?? "";
    boundBytes(field, value, maximum);
    clean[property] = cleanLine(value);
  }
  const { repository } = clean;
  if (!repository.startsWith("/") && !isOriginName(repository)) clean.repository = "";
  return clean;
}

/** The profile after a Register: the newer one, with the stored summary where it has none. */
export function mergeProfile(stored: Profile, newer: Profile): Profile {
  return newer.summary === ""
    ? create(ProfileSchema, { ...newer, summary: stored.summary })
    : newer;
}

import { create } from "@bufbuild/protobuf";
import {
  UpdatePeerResponseSchema,
  type UpdatePeerRequest,
  type UpdatePeerResponse,
} from "../../gen/peerline/v1/broker_service_pb.js";
import type { Core } from "./core.js";
import { invalidField } from "./fields.js";
import { isName, nameFrom } from "./names.js";
import { readProfile } from "./profile.js";
import type { Session } from "./sessions.js";

/** Changes the caller's name and profile. */
export async function updatePeer(
  core: Core,
  session: Session,
  request: UpdatePeerRequest,
): Promise<UpdatePeerResponse> {
  const { entry } = session;
  const { name, summary, cwd, root, branch } = request;
  if (name !== undefined && !isName(name)) {
    throw invalidField(
      "name",
      `name must be 1 to 40 of a-z 0-9 . _ - beginning with a letter or digit, and no UUID: "${nameFrom(name)}" would do`,
    );
  }
  const { profile } = entry.stored;
  const changed = readProfile({
    ...profile,
    ...(summary === undefined ? {} : { summary }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(root === undefined ? {} : { root }),
    ...(branch === undefined ? {} : { branch }),
  });
  await core.directory.update(entry, {
    ...(name === undefined ? {} : { name }),
    profile: changed,
    lastSeenMs: core.clock.now(),
  });
  const [peer] = await core.directory.describe([entry]);
  return create(UpdatePeerResponseSchema, peer === undefined ? {} : { peer });
}

import { create } from "@bufbuild/protobuf";
import {
  UpdatePeerResponseSchema,
  type UpdatePeerRequest,
  type UpdatePeerResponse,
} from "../../gen/peerline/v1/broker_service_pb.js";
import type { Core } from "./core.js";
import { requireName } from "./fields.js";
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
  if (name !== undefined) requireName(name);
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

import { create } from "@bufbuild/protobuf";
import {
  UpdatePeerResponseSchema,
  type UpdatePeerRequest,
  type UpdatePeerResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import type { Core } from "../core.js";
import { requireName, requireReach } from "../fields.js";
import { readProfile } from "../peers/profile.js";
import type { Session } from "../peers/sessions.js";

/** Changes the caller's name, profile and reach. */
export async function updatePeer(
  core: Core,
  session: Session,
  request: UpdatePeerRequest,
): Promise<UpdatePeerResponse> {
  const { peer } = session;
  const { summary, cwd, root, branch, repository, reach } = request;
  // A name that the peer already has is kept, even if it is reserved now.
  const name =
    request.name === undefined || request.name === peer.stored.name
      ? request.name
      : requireName(request.name);
  if (reach !== undefined) requireReach(reach);
  const { profile } = peer.stored;
  const changed = readProfile({
    ...profile,
    ...(summary === undefined ? {} : { summary }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(root === undefined ? {} : { root }),
    ...(branch === undefined ? {} : { branch }),
    ...(repository === undefined ? {} : { repository }),
  });
  const isStored = [name, summary, cwd, root, branch, repository].some(
    (field) => field !== undefined,
  );
  if (isStored) {
    session.isSure = true;
    const goesOn = (): boolean => {
      session.ended.signal.throwIfAborted();
      return true;
    };
    await core.directory.updateIf(peer, goesOn, {
      ...(name === undefined ? {} : { name }),
      profile: changed,
      lastSeenMs: core.clock.now(),
    });
  }
  // Another session may have taken over meanwhile: its reach is its own.
  if (reach !== undefined && !session.ended.signal.aborted) {
    core.directory.setPresence(peer, { reach });
  }
  return create(UpdatePeerResponseSchema, { peer: await core.directory.describeOne(peer) });
}

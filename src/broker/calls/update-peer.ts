import { create } from "@bufbuild/protobuf";
import {
  UpdatePeerResponseSchema,
  type UpdatePeerRequest,
  type UpdatePeerResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import type { Profile } from "../../../gen/peerline/v1/peer_pb.js";
import type { Core } from "../core.js";
import { requireName, requireReach } from "../fields.js";
import { readProfile } from "../peers/profile.js";
import type { Session } from "../peers/sessions.js";
import type { StoredPeer } from "../store/peers.js";

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
  const changed = ({ profile }: StoredPeer): Profile =>
    readProfile({
      ...profile,
      ...(summary === undefined ? {} : { summary }),
      ...(cwd === undefined ? {} : { cwd }),
      ...(root === undefined ? {} : { root }),
      ...(branch === undefined ? {} : { branch }),
      ...(repository === undefined ? {} : { repository }),
    });
  // What is wrong with it is said before anything changes.
  changed(peer.stored);
  const isStored = [name, summary, cwd, root, branch, repository].some(
    (field) => field !== undefined,
  );
  if (isStored) {
    core.sessions.makeSure(session);
    const goesOn = (): boolean => {
      session.ended.signal.throwIfAborted();
      return true;
    };
    await core.directory.updateIf(peer, goesOn, (stored) => ({
      ...(name === undefined ? {} : { name }),
      profile: changed(stored),
      lastSeenMs: core.clock.now(),
    }));
  }
  // Another session may have taken over meanwhile: its reach is its own.
  if (reach !== undefined && !session.ended.signal.aborted) {
    core.sessions.setReach(session, reach);
  }
  return create(UpdatePeerResponseSchema, { peer: await core.directory.describeOne(peer) });
}

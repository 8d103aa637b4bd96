import { create } from "@bufbuild/protobuf";
import {
  ListMessagesResponseSchema,
  type ListMessagesRequest,
  type ListMessagesResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { translateStoreErrors } from "../broker-error.js";
import type { Core } from "../core.js";
import { boundBytes, checkThreadId, invalidField } from "../fields.js";
import { visibleTo } from "./find-message.js";
import {
  defaultHistoryPageSize,
  maxHistoryPageBytes,
  maxHistoryPageSize,
  maxPageTokenBytes,
} from "../limits.js";
import { foreignPageToken, readPageSize } from "./page-token.js";
import { StoreError } from "../store.js";

/** History, newest first, of what `viewer` (empty: the operator) may see. */
export async function listMessages(
  core: Core,
  viewer: string,
  request: ListMessagesRequest,
): Promise<ListMessagesResponse> {
  if (ReceiptState[request.state] === undefined) {
    throw invalidField("state", "state is none of ReceiptState");
  }
  checkThreadId(request.threadId);
  boundBytes("page_token", request.pageToken, maxPageTokenBytes);
  const peer =
    request.peer === "" ? "" : core.directory.resolve("peer", request.peer).stored.peerId;
  const { records, next } = await page(core, {
    viewer,
    peer,
    threadId: request.threadId,
    state: request.state,
    limit: readPageSize(request.pageSize, defaultHistoryPageSize, maxHistoryPageSize),
    maxBytes: maxHistoryPageBytes,
    cursor: request.pageToken,
  });
  return create(ListMessagesResponseSchema, {
    records: records.map((record) => visibleTo(viewer, record)),
    nextPageToken: next,
  });
}

async function page(
  core: Core,
  query: Parameters<Core["store"]["listMessages"]>[0],
): ReturnType<Core["store"]["listMessages"]> {
  try {
    return await translateStoreErrors(() => core.store.listMessages(query));
  } catch (error) {
    if (!(error instanceof StoreError && error.code === "INVALID_CURSOR")) throw error;
    throw foreignPageToken();
  }
}

import { maxHistoryPageSize } from "../../contract/limits.js";
import { create } from "@bufbuild/protobuf";
import {
  ListMessagesResponseSchema,
  type ListMessagesRequest,
  type ListMessagesResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { translateStoreErrors } from "../broker-error.js";
import type { Core } from "../core.js";
import { checkThreadId, invalidField } from "../fields.js";
import { visibleTo } from "./find-message.js";
import { defaultHistoryPageSize, maxPageBytes } from "../limits.js";
import { foreignPageToken, formatPageToken, parsePageToken, readPageSize } from "./page-token.js";
import type { HistoryPage, HistoryQuery } from "../store/history.js";
import { StoreError } from "../store/store.js";

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
  const peer =
    request.peer === "" ? "" : core.directory.resolve("peer", request.peer).stored.peerId;
  const { threadId, state } = request;
  const same = ["messages", viewer, peer, threadId, state];
  const [cursor = ""] = parsePageToken(same, request.pageToken) ?? [];
  if (typeof cursor !== "string") throw foreignPageToken();
  const { records, next } = await page(core, {
    viewer,
    peer,
    threadId,
    state,
    limit: readPageSize(request.pageSize, defaultHistoryPageSize, maxHistoryPageSize),
    maxBytes: maxPageBytes,
    cursor,
  });
  return create(ListMessagesResponseSchema, {
    records: records.map((record) => visibleTo(viewer, record)),
    nextPageToken: next === "" ? "" : formatPageToken(same, [next]),
  });
}

async function page(core: Core, query: HistoryQuery): Promise<HistoryPage> {
  try {
    return await translateStoreErrors(() => core.store.history.list(query));
  } catch (error) {
    if (!(error instanceof StoreError && error.code === "INVALID_CURSOR")) throw error;
    throw foreignPageToken();
  }
}

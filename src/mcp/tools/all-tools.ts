import { getMessages } from "./get-messages.js";
import { listPeers } from "./list-peers.js";
import { messageStatus } from "./message-status.js";
import { sendMessage } from "./send-message.js";
import { setName } from "./set-name.js";
import { setSummary } from "./set-summary.js";
import type { Tool } from "./tool.js";

/** Every tool, in the order in which hosts list them. */
export const allTools: readonly Tool[] = [
  listPeers,
  sendMessage,
  getMessages,
  messageStatus,
  setSummary,
  setName,
];

export function toolNamed(name: string): Tool {
  const tool = allTools.find((one) => one.name === name);
  if (tool === undefined) throw new Error(`nothing runs the tool ${name}`);
  return tool;
}

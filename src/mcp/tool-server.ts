import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import {
  CallToolRequestSchema,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
  type CallToolRequest,
  type CallToolResult,
  type ServerNotification,
  type ServerRequest,
  type Tool as ListedTool,
} from "@modelcontextprotocol/sdk/types.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import { z } from "zod";
import { VERSION } from "../endpoint/version.js";
import { channelCapabilities } from "./channel.js";
import { instructions as usualInstructions } from "./instructions.js";
import { allTools } from "./tools/all-tools.js";
import type { Tool } from "./tools/tool.js";

export type CallExtra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/**
 * The MCP server: it lists the tools and hands calls of known ones to `callTool`. The SDK's low-level
 * server, since its high-level one answers wrong parameters itself, in words that help no model.
 */
export function createToolServer(
  callTool: (
    tool: Tool,
    parameters: Readonly<Record<string, unknown>>,
    extra: CallExtra,
  ) => Promise<CallToolResult>,
  { hasChannel, instructions = usualInstructions }: { hasChannel: boolean; instructions?: string },
): Server {
  const server = new Server(
    { name: "peerline", title: "Peerline", version: VERSION },
    {
      capabilities: { tools: {}, ...(hasChannel ? { experimental: channelCapabilities } : {}) },
      instructions,
    },
  );
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: allTools.map(describeTool) }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }: CallToolRequest, extra) => {
    const tool = allTools.find(({ name }) => name === params.name);
    if (tool === undefined) {
      const names = allTools.map(({ name }) => name).join(", ");
      throw new McpError(
        ErrorCode.InvalidParams,
        `There is no tool ${JSON.stringify(params.name)}: the tools are ${names}.`,
      );
    }
    return callTool(tool, params.arguments ?? {}, extra);
  });
  return server;
}

/**
 * Hosts refuse or hide what does not say that it is harmless. Codex runs a tool unasked only if it is
 * read-only, or neither destructive nor open to the world. Claude Code shows a tool at once only if it
 * is marked to be always loaded.
 */
function describeTool(tool: Tool): ListedTool {
  const { $schema: _, ...schema } = z.toJSONSchema(tool.parameters, { override: dropLargest });
  return {
    name: tool.name,
    title: tool.title,
    description: tool.description,
    inputSchema: schema as ListedTool["inputSchema"],
    annotations: {
      title: tool.title,
      readOnlyHint: tool.isReadOnly,
      destructiveHint: false,
      idempotentHint: tool.isIdempotent,
      openWorldHint: false,
    },
    _meta: { "anthropic/alwaysLoad": true },
  };
}

/** That an integer is one that a double can hold goes without saying, and costs tokens. */
function dropLargest({ jsonSchema }: { jsonSchema: { maximum?: number } }): void {
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
}

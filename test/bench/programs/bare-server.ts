import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

// The floor of an MCP server on Node: the SDK, two tools with parameters in zod, and nothing behind them.
const server = new McpServer({ name: "bare", version: "1.0.0" });
server.registerTool(
  "say",
  { description: "Takes a text.", inputSchema: { to: z.string().min(1), text: z.string().min(1) } },
  ({ to }) => ({ content: [{ type: "text", text: JSON.stringify({ to, taken: true }) }] }),
);
server.registerTool(
  "look",
  { description: "Tells what there is.", inputSchema: { limit: z.int().min(1).optional() } },
  () => ({ content: [{ type: "text", text: JSON.stringify({ found: [] }) }] }),
);
await server.connect(new StdioServerTransport());

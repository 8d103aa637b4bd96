/** The facts in a result of Peerline's tools, whatever the host put around them. */
export function factsOf(result: string): any {
  return JSON.parse(result.slice(result.indexOf("{"), result.lastIndexOf("}") + 1));
}

/** What `reportFailure` does, for a command that loads nothing to print with until it fails. */
export async function reportLate(error: unknown): Promise<number> {
  const [{ reportFailure }, { Output }] = await Promise.all([
    import("./failure.js"),
    import("./print/output.js"),
  ]);
  return reportFailure(error, new Output(process.stderr));
}

/** The text of one comment without its marks, and the line that it begins in. */
export interface Comment {
  readonly line: number;
  readonly text: string;
}

/**
 * The comments of a source file: blocks, and runs of lines, that stand on lines of their own. One behind code is as
 * long as the rest of its line and is left out. Code is not parsed: what looks like a comment in a template is one.
 */
export function commentsOf(path: string, source: string): Comment[] {
  const mark = /(?:\.sh|\.py|\.ya?ml|^\.ci\/[a-z]+)$/.test(path) ? "#" : "//";
  const comments: Comment[] = [];
  let open: { line: number; lines: string[]; isBlock: boolean } | undefined;
  const close = () => {
    if (open !== undefined) comments.push({ line: open.line, text: open.lines.join("\n") });
    open = undefined;
  };
  for (const [index, line] of source.split("\n").entries()) {
    const code = line.trim();
    if (open?.isBlock !== true && mark === "//" && code.startsWith("/*")) {
      close();
      open = { line: index + 1, lines: [], isBlock: true };
    }
    if (open?.isBlock === true) {
      open.lines.push(code.replace(/\s*\*\/.*$/, "").replace(/^(?:\/\*+|\*) ?/, ""));
      if (code.includes("*/")) close();
    } else if (code.startsWith(mark) && !code.startsWith("#!")) {
      open ??= { line: index + 1, lines: [], isBlock: false };
      open.lines.push(code.slice(mark.length).replace(/^ /, ""));
    } else {
      close();
    }
  }
  close();
  return comments;
}

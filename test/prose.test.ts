import { describe, expect, test } from "vitest";
import { commentsOf } from "./support/comments.js";
import { projectFiles, readProjectFile } from "./support/project-files.js";

const maxWords = 30;

/** Contracts of others, whose comments stay as they are. */
const copied = /^proto\/(?:google|grpc)\//;
const sources = projectFiles(/\.(?:ts|mjs|c|proto|sh|py|ya?ml)$|^(?:run|hosts)$/).filter(
  (path) => !copied.test(path),
);

describe("sentences", () => {
  test("are counted as a reader takes them", () => {
    expect(longSentences(`${words(maxWords)}. ${capital(maxWords)}.`)).toEqual([]);
    expect(longSentences(`A ${words(maxWords)}.`)).toHaveLength(1);
    expect(longSentences(`${words(20)}, e.g. ${words(20)}`)).toHaveLength(1);
    expect(longSentences(`${words(20)}\n${words(20)}`)).toHaveLength(1);
    expect(longSentences(`${words(20)}\n\n${words(20)}`)).toEqual([]);
    expect(longSentences(`- ${words(20)}\n- ${words(20)}`)).toEqual([]);
    expect(longSentences(`| ${words(20)} | ${words(20)} |`)).toEqual([]);
    expect(longSentences(`\`a ${words(40)}\` is code.`)).toEqual([]);
    expect(longSentences(`\`\`\`\n${words(40)}\n\`\`\``)).toEqual([]);
    expect(longSentences(`${words(20)}\n@throws ${words(20)}`)).toEqual([]);
    expect(longSentences(`@throws ${words(20)}\n${words(20)}`)).toHaveLength(1);
    expect(longSentences(`NAME    ${words(20)}\nVALUE   ${words(20)}`)).toEqual([]);
  });

  test.each(projectFiles(/\.md$/))("of %s have at most 30 words", (page) => {
    expect(longSentences(readProjectFile(page))).toEqual([]);
  });
});

describe("comments", () => {
  test("are read with the line they begin in, without their marks", () => {
    const source = [
      "/** One",
      " * two. */",
      "code(); // aside",
      "  // three",
      "  // four",
      "code();",
    ];
    expect(commentsOf("a.ts", source.join("\n"))).toEqual([
      { line: 1, text: "One\ntwo." },
      { line: 4, text: "three\nfour" },
    ]);
    expect(commentsOf("a.ts", "class A {\n  #field = 1;\n}")).toEqual([]);
    expect(commentsOf("a.sh", "#!/bin/sh\n# One\n# two.\ncode # aside\n")).toEqual([
      { line: 2, text: "One\ntwo." },
    ]);
  });

  test("have sentences of at most 30 words, in every source file", () => {
    expect(sources.length).toBeGreaterThan(400);
    const long = sources.flatMap((path) =>
      commentsOf(path, readProjectFile(path)).flatMap(({ line, text }) =>
        longSentences(text).map((sentence) => `${path}:${line}: ${sentence}`),
      ),
    );
    expect(long).toEqual([]);
  });
});

function words(count: number): string {
  return Array.from({ length: count }, () => "word").join(" ");
}

function capital(count: number): string {
  return words(count).replace("w", "W");
}

/**
 * The sentences of Markdown, or of a comment, that are too long. Code is one word, and ends no sentence. A sentence ends
 * at a blank line, at a list's item, at a tag such as `@throws`, and at the columns of a table.
 */
function longSentences(text: string): string[] {
  return text
    .replaceAll(/^```.*?^```/gms, "")
    .replace(/^---\n.*?\n---\n/s, "")
    .replaceAll(/`[^`]*`/g, "Code")
    .replaceAll(/^\s*(?:[-*>]|\d+\.) /gm, "\n\n")
    .replaceAll(/^\s*@\w+ /gm, "\n\n")
    .replaceAll(/^#.*$/gm, "\n\n")
    .split(/\n\s*\n|\||(?<=\S) {2,}(?=\S)/)
    .flatMap((paragraph) => paragraph.replaceAll(/\s+/g, " ").split(/(?<=[.!?]["')_*]?) (?![a-z])/))
    .filter((sentence) => sentence.split(" ").filter((word) => /\w/.test(word)).length > maxWords);
}

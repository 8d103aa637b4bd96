import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isOriginName, nameOfOrigin } from "../../src/contract/repository.js";

describe("the origin of a repository", () => {
  test.each([
    "git@github.com:acme/shop.git",
    "github.com:acme/shop",
    "ssh://git@github.com/acme/shop.git",
    "ssh://git@github.com:22/acme/shop.git/",
    "git+ssh://git@GitHub.com/acme/shop",
    "https://github.com/acme/shop.git",
    "https://github.com:443/acme/shop/",
    "https://me:t0ken@GitHub.COM//acme/shop.git?access_token=t0ken#x",
    "https://me%40acme.com:p@ss@github.com./acme/shop",
    "http://github.com:80/acme/shop",
    "git://github.com:9418/acme/shop",
    "HTTPS://github.com/acme/shop",
  ])("%s has the name that all its clones share", (url) => {
    expect(nameOfOrigin(url)).toBe("github.com/acme/shop");
  });

  test.each([
    ["ssh://git@host.example:2222/acme/shop.git", "host.example:2222/acme/shop"],
    ["https://gitlab.example/group/sub/Shop.Web.git", "gitlab.example/group/sub/Shop.Web"],
    ["https://bücher.example/a", "xn--bcher-kva.example/a"],
    ["ssh://[::1]:22/srv/git/shop.git", "[::1]/srv/git/shop"],
    ["me@build_box:~me/shop.git", "build_box/~me/shop"],
    ["[git@Host.example:2222]:acme/shop.git", "host.example:2222/acme/shop"],
    ["git@[host.example:2222]:acme/shop.git", "host.example:2222/acme/shop"],
    ["[git@host.example:22]:acme/shop.git", "host.example/acme/shop"],
    ["[host.example]:acme/shop.git", "host.example/acme/shop"],
    ["git@[2001:DB8::1]:a/b.git", "[2001:db8::1]/a/b"],
    ["[git@::1]:a/b", "[::1]/a/b"],
    ["[[::1]:2222]:a/b", "[::1]:2222/a/b"],
    ["me@c:src/shop", "c/src/shop"],
  ])("%s is %s", (url, name) => {
    expect(nameOfOrigin(url)).toBe(name);
  });

  test.each([
    "",
    "/srv/git/shop.git",
    "../shop.git",
    "./a:b",
    "file:///srv/git/shop.git",
    "ext::sh -c evil",
    "codecommit::eu-west-1://me@shop",
    "C:\\work\\shop",
    "C:/src/shop",
    "c:src/shop",
    "[git@host:2222:acme/shop.git",
    "[git@host:port]:acme/shop.git",
    "[]:acme/shop.git",
    "https://",
    "https://github.com",
    "https://github.com/.git",
    "https://github.com/../../etc/passwd",
    "https://github.com/acme/./shop",
    "https://github.com:99999999/acme/shop",
    "https://git hub.com/acme/shop",
    "https://github.com/acme/sh op",
    "https://github.com/acme/shop\u001B[31m",
    "https://github.com/acme/\u202Eshop",
    "git@github.com:me:secret@acme/shop",
    `https://github.com/${"x".repeat(2000)}`,
  ])("%j names none that other machines know", (url) => {
    expect(nameOfOrigin(url)).toBeUndefined();
  });

  test("never keeps a user or a password, and its name is its own name", () => {
    const word = fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" });
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), word, (text, path) => {
        for (const url of [
          text,
          `https://user:hunter2@host/${path}`,
          `hunter2@host:${path}`,
          `[hunter2@host:9]:${path}`,
          `hunter2@[::1]:${path}`,
        ]) {
          const name = nameOfOrigin(url);
          if (name === undefined) continue;
          expect(isOriginName(name)).toBe(true);
          expect(name.split("/", 1)[0]).not.toMatch(/@|hunter2/);
        }
      }),
    );
  });
});

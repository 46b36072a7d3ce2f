// The page's WHEP client against a real HTTP server on loopback: what it sends, and what each refusal becomes.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import test from "node:test";
import { load } from "./modules.mjs";

const { SignalError, Whep } = await load("whep");

/** Serves one answer per request from `answers`, and keeps what was asked. */
async function car(t, ...answers) {
  const asked = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      asked.push({ method: request.method, url: request.url, headers: request.headers, body });
      const { status, headers = {}, text = "" } = answers.shift();
      response.writeHead(status, { Connection: "close", ...headers });
      response.end(text);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return { asked, endpoint: `http://127.0.0.1:${server.address().port}/whep`, server };
}

const created = { status: 201, headers: { Location: "/whep/7", ETag: '"a"' }, text: "v=0\r\n" };

test("an offer goes out as WHEP has it, and the session is addressed by its Location", async (t) => {
  const { asked, endpoint } = await car(
    t, created, { status: 204 }, { status: 200, headers: { ETag: '"b"' }, text: "a=ice-ufrag:x\r\n" }, { status: 204 }, { status: 200 },
  );
  const whep = new Whep(endpoint, "secret", fetch);
  assert.equal(await whep.offer("v=0 offer"), "v=0\r\n");
  await whep.trickle("candidates");
  assert.equal(await whep.restart("credentials"), "a=ice-ufrag:x\r\n");
  await whep.trickle("more");
  assert.equal(await whep.close(), true);
  const [post, patch, restart, more, gone] = asked;
  assert.deepEqual(asked.map(({ method, url }) => `${method} ${url}`), [
    "POST /whep", "PATCH /whep/7", "PATCH /whep/7", "PATCH /whep/7", "DELETE /whep/7",
  ]);
  assert.equal(post.headers["content-type"], "application/sdp");
  assert.equal(post.headers["x-windshield-page"], "1");
  assert.equal(post.headers.authorization, "Bearer secret");
  assert.equal(patch.headers["content-type"], "application/trickle-ice-sdpfrag");
  assert.equal(patch.headers["if-match"], '"a"');
  assert.equal(restart.headers["if-match"], "*");
  assert.equal(more.headers["if-match"], '"b"');
  assert.equal(gone.headers.authorization, "Bearer secret");
});

test("each refusal keeps its kind, status, words and wait", async (t) => {
  const cases = [
    [{ status: 401 }, { kind: "token", status: 401 }],
    [{ status: 503, headers: { "Retry-After": "7", "Content-Type": "text/plain" }, text: "all 4 seats are taken\nmore" },
      { kind: "full", status: 503, retryAfterMs: 7000, text: "all 4 seats are taken" }],
    [{ status: 404, headers: { "Content-Type": "text/html" }, text: "<h1>nginx</h1>" }, { kind: "status", status: 404, text: "" }],
    [{ status: 201, text: "<html>" }, { kind: "nonsense" }],
    [{ status: 503, headers: { "Retry-After": "99999999" } }, { kind: "full", retryAfterMs: 60_000 }],
  ];
  for (const [reply, wanted] of cases) {
    const { endpoint } = await car(t, reply);
    await assert.rejects(new Whep(endpoint, "", fetch).offer("v=0"), (error) => {
      assert.ok(error instanceof SignalError);
      for (const [key, value] of Object.entries(wanted)) assert.equal(error[key], value, key);
      return true;
    });
  }
});

test("nobody there is an answer too", async (t) => {
  const { endpoint, server } = await car(t);
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(new Whep(endpoint, "", fetch).offer("v=0"), { kind: "unreachable" });
});

test("a server without trickle is asked once, a restart it refuses is null", async (t) => {
  const { asked, endpoint } = await car(t, created, { status: 405 }, { status: 412 }, { status: 404 });
  const whep = new Whep(endpoint, "", fetch);
  await whep.offer("v=0");
  await whep.trickle("one");
  await whep.trickle("two");
  assert.equal(await whep.restart("new"), null);
  assert.equal(await whep.close(), true, "a session the car has forgotten is over");
  assert.deepEqual(asked.map(({ method }) => method), ["POST", "PATCH", "PATCH", "DELETE"]);
  assert.equal(asked[0].headers.authorization, undefined);
});

// SPDX-License-Identifier: MIT
// auth_sdk.mjs: a client of the TypeScript SDK with a user, against a server
// that wants tokens.
//   node auth_sdk.mjs 1|2 legacy|modern URL
import assert from "node:assert/strict";
import { browse } from "./auth_browser.mjs";

const [version, era, url] = process.argv.slice(2);
const sdk = version === "1"
  ? {
    ...(await import("@modelcontextprotocol/sdk/client/index.js")),
    ...(await import("@modelcontextprotocol/sdk/client/streamableHttp.js")),
    ...(await import("@modelcontextprotocol/sdk/client/auth.js")),
  }
  : await import("@modelcontextprotocol/client");

const CALLBACK = "http://127.0.0.1:9/callback";

// Keeps everything in memory; its user's browser comes back with `answer`.
const provider = {
  asked: [],
  get redirectUrl() {
    return CALLBACK;
  },
  get clientMetadata() {
    return {
      client_name: "interop",
      redirect_uris: [CALLBACK],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      application_type: "native",
    };
  },
  state: () => "interop-" + provider.asked.length,
  clientInformation: () => provider.information,
  saveClientInformation: (information) => (provider.information = information),
  tokens: () => provider.kept,
  saveTokens: (tokens) => (provider.kept = tokens),
  saveCodeVerifier: (verifier) => (provider.verifier = verifier),
  codeVerifier: () => provider.verifier,
  discoveryState: () => provider.discovered,
  saveDiscoveryState: (state) => (provider.discovered = state),
  async redirectToAuthorization(address) {
    provider.asked.push(address.searchParams);
    const { address: back } = await browse(address.href, (at) => at.startsWith(CALLBACK));
    provider.answer = new URL(back).searchParams;
  },
};

let transport;
const open = () => (transport = new sdk.StreamableHTTPClientTransport(new URL(url), {
  authProvider: provider,
}));

// Does it; where that leads to the user, does it again with what came of it.
async function authorized(work) {
  const before = provider.asked.length;
  await assert.rejects(work, sdk.UnauthorizedError);
  assert.equal(provider.asked.length, before + 1);
  await transport.finishAuth(version === "1" ? provider.answer.get("code") : provider.answer);
  return await work();
}

const client = await authorized(async () => {
  const client = new sdk.Client({ name: "interop", version: "1.0.0" }, version === "1" ? {} : {
    versionNegotiation: { mode: era === "legacy" ? "legacy" : { pin: "2026-07-28" } },
  });
  await client.connect(open());
  return client;
});
const call = async (name, args) =>
  (await client.callTool({ name, arguments: args })).content[0].text;

assert.equal(provider.asked[0].get("resource"), url);
const scopes = (n) => provider.asked[n].get("scope").split(" ");
assert.ok(scopes(0).includes("notes") && !scopes(0).includes("notes:write"));
assert.equal(await call("whoami", {}), "ada notes");

// A token that is no good: it has another fetched, without its user.
const refresh = provider.kept.refresh_token;
assert.ok(refresh);
provider.kept = { ...provider.kept, access_token: "e30.e30.bm9uZQ" };
assert.equal(await call("whoami", {}), "ada notes");
assert.notEqual(provider.kept.refresh_token, refresh);
assert.equal(provider.asked.length, 1);

// One that lacks a scope: it asks its user for that too. Version 1 would rather
// refresh, which cannot widen, as long as it has something to do that with.
if (version === "1") delete provider.kept.refresh_token;
const noted = await authorized(() => call("write", { text: "tea" }));
assert.equal(noted, "noted: tea");
assert.ok(scopes(1).includes("notes:write"));

await client.close();

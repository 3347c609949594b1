// SPDX-License-Identifier: MIT
// auth_issuer.mjs: an authorization server that is not ours, in memory. Clients
// register themselves, PKCE is a must, tokens are JWTs for the one resource they
// were asked for (RFC 8707). Its only user says yes to everything.
//   node auth_issuer.mjs PORT       0: any; says on standard error where it is
import { createServer } from "node:http";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import Provider from "oidc-provider";

const SCOPES = ["notes", "notes:write"];

const server = createServer();
await new Promise((done) => server.listen(Number(process.argv[2]), "127.0.0.1", done));
const issuer = `http://127.0.0.1:${server.address().port}`;

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

const provider = new Provider(issuer, {
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), alg: "ES256", use: "sig", kid: "one" }] },
  cookies: { keys: [randomBytes(16).toString("hex")] },
  scopes: ["openid", "offline_access", ...SCOPES],
  clientDefaults: { id_token_signed_response_alg: "ES256" },
  enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed("refresh_token"),
  // All of it is over soon.
  ttl: { AccessToken: 300, Interaction: 60, Session: 60, Grant: 60, RefreshToken: 60 },
  findAccount: async (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    dPoP: { enabled: true },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: async () => undefined,
      useGrantedResource: async () => false,
      getResourceServerInfo: async (ctx, resource) => ({
        audience: resource,
        scope: SCOPES.join(" "),
        accessTokenFormat: "jwt",
        accessTokenTTL: 300,
        jwt: { sign: { alg: "ES256" } },
      }),
    },
  },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
});

// What a page with a button would do when it is pressed.
async function agree(request, response) {
  const { params, session } = await provider.interactionDetails(request, response);
  const accountId = session?.accountId ?? "ada";
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope ?? "");
  if (params.resource) grant.addResourceScope(params.resource, params.scope ?? "");
  await provider.interactionFinished(request, response, {
    login: { accountId },
    consent: { grantId: await grant.save() },
  });
}

const answer = provider.callback();
server.on("request", (request, response) => {
  console.error(request.method, request.url.split("?")[0]);
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  agree(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end(String(error));
  });
});
provider.on("server_error", (ctx, error) => console.error(error));
for (const event of ["grant.error", "authorization.error", "registration_create.error"]) {
  provider.on(event, (ctx, error) => console.error(event, error.error, error.error_description));
}
// A client may ask for no more than it was registered with. Other people's do
// not register again for a scope that they learn of later: they may have all.
provider.on("registration_create.success", (ctx, client) => {
  if (client.clientName !== "interop") return;
  const { scope, ...metadata } = client.metadata();
  provider.Client.adapter.upsert(client.clientId, metadata);
});
process.on("SIGTERM", () => process.exit(0));
console.error(`answers at ${issuer}/\n`);

// Every flow through openid-client.
import * as client from "openid-client";
import { ask, refused, same } from "./conversation.mjs";

const given = await ask({ ready: true });
const discover = (party, auth) =>
  client.discovery(new URL(given.issuer), party.client_id, undefined, auth, {
    execute: [client.allowInsecureRequests],
  });

const backend = await discover(given.backend, client.ClientSecretBasic(given.backend.client_secret));
const own = await client.clientCredentialsGrant(backend, { scope: "earn:write" });
same(own.scope, "earn:write", "scope");
same((await client.tokenIntrospection(backend, own.access_token)).active, true, "active");
await client.tokenRevocation(backend, own.access_token);
same((await client.tokenIntrospection(backend, own.access_token)).active, false, "active after revocation");

const key = await crypto.subtle.importKey("jwk", given.signer.key, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
const signer = await discover(given.signer, client.PrivateKeyJwt({ key, kid: given.signer.key.kid }));
same((await client.clientCredentialsGrant(signer)).token_type, "bearer", "token type");

for (const app of given.apps) {
  const auth = app.client_secret ? client.ClientSecretBasic(app.client_secret) : client.None();
  const config = await discover(app, auth);
  const verifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: app.redirect_uri,
    scope: "openid balance:read spend",
    authorization_details: JSON.stringify(given.details),
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state: expectedState,
    nonce: expectedNonce,
  });
  const { location } = await ask({ visit: url.href });
  const checks = { pkceCodeVerifier: verifier, expectedState, expectedNonce, idTokenExpected: true };
  const tokens = await client.authorizationCodeGrant(config, new URL(location), checks);
  same(tokens.authorization_details, given.details, "authorization details");
  const subject = tokens.claims().sub;
  same((await client.fetchUserInfo(config, tokens.access_token, subject)).sub, subject, "subject");
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
  same(renewed.refresh_token === undefined, Boolean(app.client_secret), "the refresh token stays");
  const last = renewed.refresh_token ?? tokens.refresh_token;
  await client.tokenRevocation(config, last);
  await refused(client.refreshTokenGrant(config, last), "invalid_grant");
  await refused(client.authorizationCodeGrant(config, new URL(location), checks), "invalid_grant");
}

const till = await discover(given.till, client.None());
const begun = await client.initiateDeviceAuthorization(till, { scope: "earn:write" });
await ask({ confirm: begun.user_code });
same((await client.pollDeviceAuthorizationGrant(till, begun)).scope, "earn:write", "the till's scope");

process.stdout.write(JSON.stringify({ done: true }) + "\n");
process.exit(0);

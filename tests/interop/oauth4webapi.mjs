// Every flow through oauth4webapi, which leaves each step to its user and checks each answer strictly.
import * as oauth from "oauth4webapi";
import { ask, same } from "./conversation.mjs";

const given = await ask({ ready: true });
const plainHttp = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(given.issuer);

for (const algorithm of ["oauth2", "oidc"]) {
  const found = await oauth.discoveryRequest(issuer, { algorithm, ...plainHttp });
  same((await oauth.processDiscoveryResponse(issuer, found)).issuer, given.issuer, algorithm);
}
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: "oidc", ...plainHttp }));

const backend = { client_id: given.backend.client_id };
const secret = oauth.ClientSecretBasic(given.backend.client_secret);
const own = await oauth.processClientCredentialsResponse(
  as, backend, await oauth.clientCredentialsGrantRequest(as, backend, secret, { scope: "burn:write earn:write" }, plainHttp));
same(own.scope, "burn:write earn:write", "scope");
const told = await oauth.processIntrospectionResponse(
  as, backend, await oauth.introspectionRequest(as, backend, secret, own.access_token, plainHttp));
same([told.active, told.client_id], [true, backend.client_id], "introspection");
await oauth.processRevocationResponse(await oauth.revocationRequest(as, backend, secret, own.access_token, plainHttp));

const signer = { client_id: given.signer.client_id };
const key = await crypto.subtle.importKey("jwk", given.signer.key, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
await oauth.processClientCredentialsResponse(as, signer, await oauth.clientCredentialsGrantRequest(
  as, signer, oauth.PrivateKeyJwt({ key, kid: given.signer.key.kid }), {}, plainHttp));

for (const app of given.apps) {
  const client = { client_id: app.client_id };
  const auth = app.client_secret ? oauth.ClientSecretBasic(app.client_secret) : oauth.None();
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const url = new URL(as.authorization_endpoint);
  const wish = {
    client_id: app.client_id, redirect_uri: app.redirect_uri, response_type: "code", scope: "openid history:read",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256", state, nonce,
  };
  for (const [name, value] of Object.entries(wish)) url.searchParams.set(name, value);
  const { location } = await ask({ visit: url.href });
  const parameters = oauth.validateAuthResponse(as, client, new URL(location), state);
  const response = await oauth.authorizationCodeGrantRequest(as, client, auth, parameters, app.redirect_uri, verifier, plainHttp);
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, requireIdToken: true });
  await oauth.validateApplicationLevelSignature(as, response, plainHttp);
  const { sub } = oauth.getValidatedIdTokenClaims(tokens);
  const info = await oauth.userInfoRequest(as, client, tokens.access_token, plainHttp);
  same((await oauth.processUserInfoResponse(as, client, sub, info)).sub, sub, "subject");
  const renewed = await oauth.processRefreshTokenResponse(
    as, client, await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token, plainHttp));
  same(renewed.scope, "history:read openid", "renewed scope");
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, tokens.refresh_token, plainHttp));
}

const till = { client_id: given.till.client_id };
const begun = await oauth.processDeviceAuthorizationResponse(
  as, till, await oauth.deviceAuthorizationRequest(as, till, oauth.None(), { scope: "earn:write" }, plainHttp));
await ask({ confirm: begun.user_code });
const let_in = await oauth.processDeviceCodeResponse(
  as, till, await oauth.deviceCodeGrantRequest(as, till, oauth.None(), begun.device_code, plainHttp));
same(let_in.scope, "earn:write", "the till's scope");

process.stdout.write(JSON.stringify({ done: true }) + "\n");
process.exit(0);

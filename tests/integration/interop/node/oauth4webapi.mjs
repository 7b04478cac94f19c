// An app on oauth4webapi. Arguments: what to do, the issuer, the client as JSON. What it saw is printed as JSON.
// `code` prints the address where the person decides, and reads from stdin the one to which the browser came back.
import * as oauth from "oauth4webapi";
import { createInterface } from "node:readline";

const [what, issuer, given] = process.argv.slice(2);
const { client_id, secret, key, redirect_uri, scope } = JSON.parse(given);
const plain = { [oauth.allowInsecureRequests]: true };
const root = new URL(issuer);
const as = await oauth.processDiscoveryResponse(root, await oauth.discoveryRequest(root, plain));
const client = { client_id };

async function proof() {
  if (key) {
    const ec = { name: "ECDSA", namedCurve: key.crv };
    return oauth.PrivateKeyJwt({ key: await crypto.subtle.importKey("jwk", key, ec, false, ["sign"]), kid: key.kid });
  }
  return secret ? oauth.ClientSecretBasic(secret) : oauth.None();
}

async function read(token, path) {
  const where = new URL(`${issuer}/fhir/${path}`);
  const response = await oauth.protectedResourceRequest(token, "GET", where, new Headers(), null, plain);
  return response.json();
}

async function code() {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const address = new URL(as.authorization_endpoint);
  const asked = {
    response_type: "code", client_id, redirect_uri, scope, state, nonce, aud: `${issuer}/fhir`,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(asked)) address.searchParams.set(name, value);
  console.log(address.href);
  const { value: back } = await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next();

  const told = oauth.validateAuthResponse(as, client, new URL(back), state);
  const exchanged = await oauth.authorizationCodeGrantRequest(
    as, client, await proof(), told, redirect_uri, verifier, plain);
  const tokens = await oauth.processAuthorizationCodeResponse(
    as, client, exchanged, { expectedNonce: nonce, requireIdToken: true });
  await oauth.validateApplicationLevelSignature(as, exchanged, plain);
  const claims = oauth.getValidatedIdTokenClaims(tokens);

  const refreshed = await oauth.processRefreshTokenResponse(as, client,
    await oauth.refreshTokenGrantRequest(as, client, await proof(), tokens.refresh_token, plain));
  const seen = {
    patient: (await read(refreshed.access_token, `Patient/${tokens.patient}`)).id,
    fhirUser: claims.fhirUser,
    audience: claims.aud,
    other: refreshed.access_token !== tokens.access_token,
  };
  if (secret) seen.before = await introspected(refreshed.access_token);
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(as, client, await proof(), refreshed.refresh_token, plain));
  if (secret) seen.after = await introspected(refreshed.access_token);
  return seen;
}

async function introspected(token) {
  const response = await oauth.introspectionRequest(as, client, await proof(), token, plain);
  return (await oauth.processIntrospectionResponse(as, client, response)).active;
}

async function service() {
  const response = await oauth.clientCredentialsGrantRequest(as, client, await proof(), { scope }, plain);
  const token = await oauth.processClientCredentialsResponse(as, client, response);
  const found = await read(token.access_token, "Patient?_summary=count");
  return { scope: token.scope, seconds: token.expires_in, type: token.token_type, many: found.total > 1 };
}

console.log(JSON.stringify(await { code, service }[what]()));

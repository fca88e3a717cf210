// Judges answers of the External MFA door with openid-client (discovery, keys, the whole answer
// by form_post) and with jose (the token alone: once by n and e, once by the certificate in x5c,
// which is what Entra reads). Everything is read from the running server.
//
// usage: node client.js DIRECTORY
// DIRECTORY holds cases.json: {"issuer", "client_id", "redirect_uri", "nonce", "state",
// "files": ["…"]}; each file is an id_token. Prints one line of JSON for the metadata
// ({"metadata": …}) and one for each file: {"file", "client", "jose", "x5c", "claims", "reasons"}.

import fs from "node:fs";
import path from "node:path";
import * as oidc from "openid-client";
import { createRemoteJWKSet, importX509, jwtVerify } from "jose";

const directory = process.argv[2];
const cases = JSON.parse(fs.readFileSync(path.join(directory, "cases.json"), "utf8"));
// The demo is on this computer, without TLS.
const options = { execute: [oidc.allowInsecureRequests] };

async function discovered(issuer) {
  const found = await oidc.discovery(
    new URL(issuer),
    cases.client_id,
    { id_token_signed_response_alg: "RS256" },
    oidc.None(),
    options,
  );
  oidc.useIdTokenResponseType(found);
  return found;
}

async function attempt(judge) {
  try {
    return { accepted: true, value: await judge() };
  } catch (error) {
    const cause = error.cause ? ` (${error.cause.message ?? error.cause})` : "";
    return { accepted: false, reason: `${error.code ?? ""} ${error.message}${cause}` };
  }
}

const config = await discovered(cases.issuer);
const server = config.serverMetadata();
console.log(JSON.stringify({ metadata: server }));

const keys = await (await fetch(server.jwks_uri)).json();
const byNumbers = createRemoteJWKSet(new URL(server.jwks_uri));
const byCertificate = async (header) => {
  const key = keys.keys.find((one) => one.kid === header.kid);
  if (!key) throw new Error("no such kid");
  const lines = key.x5c[0].match(/.{1,64}/g).join("\n");
  return importX509(
    `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    "RS256",
  );
};
const wanted = {
  algorithms: ["RS256"],
  issuer: cases.issuer,
  audience: cases.client_id,
  requiredClaims: ["sub", "nonce", "acr", "amr", "iat", "exp"],
};

for (const file of cases.files) {
  const token = fs.readFileSync(path.join(directory, file), "utf8");
  const client = await attempt(() =>
    oidc.implicitAuthentication(
      config,
      new Request(cases.redirect_uri, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ id_token: token, state: cases.state }).toString(),
      }),
      cases.nonce,
      { expectedState: cases.state },
    ),
  );
  const jose = await attempt(() => jwtVerify(token, byNumbers, wanted));
  const x5c = await attempt(() => jwtVerify(token, byCertificate, wanted));
  console.log(
    JSON.stringify({
      file,
      client: client.accepted,
      jose: jose.accepted,
      x5c: x5c.accepted,
      claims: client.value,
      header: jose.value?.protectedHeader,
      reasons: [client.reason, jose.reason, x5c.reason],
    }),
  );
}

// An issuer that differs by a slash is another one.
const slash = await attempt(() => discovered(`${cases.issuer}/`));
console.log(JSON.stringify({ slash: slash.accepted, reason: slash.reason }));

// Judges WS-Federation answers with passport-wsfed-saml2, as a relying party would.
//
// The library is unmaintained, and its versions 3.0.5 to 4.6.3 can be tricked by wrapped
// signatures (CVE-2025-46572, CVE-2025-46573): it is no protection for anybody, and good
// enough to say whether a genuine token is read and a changed one is not. Its signature
// check is xml-crypto's, of a version without known gaps (package.json, "overrides").
//
// usage: node consumer.js DIRECTORY
// DIRECTORY holds cases.json: {"certificate": "base64", "realm": "…", "files": ["…"]}; each
// file is a wresult. Prints one line of JSON for each: {"file", "accepted", "profile", "reason"}.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { Strategy } = require("passport-wsfed-saml2");

const directory = process.argv[2];
const cases = JSON.parse(fs.readFileSync(path.join(directory, "cases.json"), "utf8"));

function judge(wresult) {
  return new Promise((resolve) => {
    const strategy = new Strategy(
      {
        protocol: "wsfed",
        realm: cases.realm,
        homeRealm: "",
        identityProviderUrl: "https://idp.example.com/wsfed",
        cert: cases.certificate,
        checkCertExpiration: true,
        clockSkew: 0,
      },
      (profile, done) => done(null, profile),
    );
    const refused = (reason) => resolve({ accepted: false, reason: String(reason) });
    strategy.success = (profile) => resolve({ accepted: true, profile });
    strategy.fail = refused;
    strategy.error = refused;
    strategy.redirect = (to) => refused(`sends the browser to ${to}`);
    const request = {
      method: "POST",
      url: "/",
      headers: {},
      connection: {},
      get: () => "rp.example.com",
      query: {},
      body: { wa: "wsignin1.0", wresult },
    };
    try {
      strategy.authenticate(request, {});
    } catch (error) {
      refused(error);
    }
  });
}

(async () => {
  for (const file of cases.files) {
    const verdict = await judge(fs.readFileSync(path.join(directory, file), "utf8"));
    console.log(JSON.stringify({ file, ...verdict }));
  }
})();

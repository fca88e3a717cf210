// Judges responses with @node-saml/node-saml, as a service provider would.
//
// usage: node node-saml.js DIRECTORY
// DIRECTORY holds cases.json: {"certificate": "PEM file", "audience": "…", "acs": "…", "files": ["…"]}.
// Prints one line of JSON for each file: {"file", "accepted", "nameID", "attributes", "reason"}.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { SAML } = require("@node-saml/node-saml");

const directory = process.argv[2];
const cases = JSON.parse(fs.readFileSync(path.join(directory, "cases.json"), "utf8"));
const serviceProvider = new SAML({
  idpCert: fs.readFileSync(path.join(directory, cases.certificate), "utf8"),
  issuer: cases.audience,
  audience: cases.audience,
  callbackUrl: cases.acs,
  entryPoint: "https://idp.example.com/",
  wantAssertionsSigned: true,
  wantAuthnResponseSigned: cases.wantResponseSigned,
});

(async () => {
  for (const file of cases.files) {
    const SAMLResponse = fs.readFileSync(path.join(directory, file)).toString("base64");
    let line;
    try {
      const { profile } = await serviceProvider.validatePostResponseAsync({ SAMLResponse });
      line = { file, accepted: true, nameID: profile.nameID, attributes: profile.attributes };
    } catch (error) {
      line = { file, accepted: false, reason: String(error.message) };
    }
    console.log(JSON.stringify(line));
  }
})();

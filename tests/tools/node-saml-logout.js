// Judges messages of single logout with @node-saml/node-saml, as a service provider would.
//
// usage: node node-saml-logout.js DIRECTORY
// DIRECTORY holds logout.json: {"certificate": "PEM file", "audience": "…", "messages": [{"form": {…}} | {"query": "…"}]}.
// Prints one line of JSON for each message: {"accepted", "loggedOut", "profile", "reason"}.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const querystring = require("node:querystring");
const { SAML } = require("@node-saml/node-saml");

const directory = process.argv[2];
const cases = JSON.parse(fs.readFileSync(path.join(directory, "logout.json"), "utf8"));
const serviceProvider = new SAML({
  idpCert: fs.readFileSync(path.join(directory, cases.certificate), "utf8"),
  issuer: cases.audience,
  audience: cases.audience,
  callbackUrl: "https://sp.example.com/acs",
  entryPoint: "https://idp.example.com/",
});

const judge = ({ form, query }) => {
  if (query !== undefined) return serviceProvider.validateRedirectAsync(querystring.parse(query), query);
  if (form.SAMLRequest !== undefined) return serviceProvider.validatePostRequestAsync(form);
  return serviceProvider.validatePostResponseAsync(form);
};

(async () => {
  for (const message of cases.messages) {
    let line;
    try {
      const { profile, loggedOut } = await judge(message);
      line = { accepted: true, loggedOut, profile };
    } catch (error) {
      line = { accepted: false, reason: String(error.message) };
    }
    console.log(JSON.stringify(line));
  }
})();

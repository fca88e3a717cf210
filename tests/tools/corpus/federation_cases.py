"""CB-FED: a domain's federation as Graph shows it, and commands that set it."""

import base64
import json

from .message import ISSUER

SIGN_IN = "https://idp.contoso.com/saml2/sso?domain=contoso.com"
SIGN_OUT = "https://idp.contoso.com/saml2/slo"
KNOWN = {
    "sign_in_url": SIGN_IN, "sign_out_url": SIGN_OUT, "emergency_accounts": True, "security_defaults": False,
    "request": None, "cloud": None,
}


def add(book, keys):
    def b64(key):
        return base64.b64encode(key.der).decode()

    holds = keys.bound(keys.curve, "start")(1)
    whole = {
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#domains('contoso.com')/federationConfiguration/$entity",
        "@odata.type": "#microsoft.graph.internalDomainFederation",
        "id": "6601d14b-d113-8f64-fda2-9b5ddda18ecc", "displayName": "Contoso", "issuerUri": ISSUER,
        "signingCertificate": b64(keys.active), "nextSigningCertificate": b64(keys.next), "passiveSignInUri": SIGN_IN,
        "signOutUri": SIGN_OUT, "preferredAuthenticationProtocol": "saml", "activeSignInUri": None,
        "federatedIdpMfaBehavior": "enforceMfaByFederatedIdp", "promptLoginBehavior": "nativeSupport",
        "isSignedAuthenticationRequestRequired": False, "systemBrowserEnabledOn": "ios,android,mac",
    }

    def put(name, text, outcome, rules=(), undecided=(), consumers=("entra-saml2",), **given):
        book.add(name, text, outcome, rules, undecided, kind="federation-configuration",
                 verdicts={consumer: outcome for consumer in consumers}, **{**KNOWN, "at": holds, **given})

    def case(name, outcome, rules=(), edit=None, undecided=(), consumers=("entra-saml2",), **given):
        members = {name: value for name, value in {**whole, **(edit or {})}.items() if value is not ...}
        put(name, json.dumps(members, indent=1), outcome, rules, undecided, consumers, **given)

    bad = "rejected"
    case("fed-good", "accepted")
    case("fed-nothing-given", "undecided", undecided=["CB-FED-001", "CB-FED-002", "CB-FED-011", "CB-FED-012"],
         issuer=None, certificates=[], sign_in_url=None, sign_out_url=None, emergency_accounts=None, security_defaults=None)
    case("fed-001-issuer", bad, ["CB-FED-001"], {"issuerUri": ISSUER + "/"})
    case("fed-001-sign-in", bad, ["CB-FED-001"], {"passiveSignInUri": "https://evil.example/sso"})
    case("fed-001-sign-out", bad, ["CB-FED-001"], {"signOutUri": None})
    case("fed-002-foreign", bad, ["CB-FED-002"], {"signingCertificate": b64(keys.other)})
    case("fed-002-backdoor", bad, ["CB-FED-002"], {"nextSigningCertificate": b64(keys.other)})
    case("fed-002-staged", bad, ["CB-FED-002"], {"signingCertificate": b64(keys.next)})
    case("fed-002-damaged", bad, ["CB-FED-002"], {"signingCertificate": "AAAA"})
    case("fed-002-not-without-next", "accepted", [], {"nextSigningCertificate": None})
    case("fed-003-reject", bad, ["CB-FED-003"], {"federatedIdpMfaBehavior": "rejectMfaByFederatedIdp"})
    case("fed-004-accept", "accepted", ["CB-FED-004"], {"federatedIdpMfaBehavior": "acceptIfMfaDoneByFederatedIdp"})
    case("fed-004-unset", "accepted", ["CB-FED-004"], {"federatedIdpMfaBehavior": None})
    case("fed-005-unset", "accepted", ["CB-FED-005"], {"promptLoginBehavior": None})
    case("fed-005-translated", "accepted", ["CB-FED-005"], {"promptLoginBehavior": "translateToFreshPasswordAuthentication"})
    case("fed-005-not-disabled", "accepted", [], {"promptLoginBehavior": "disabled"})
    both = ("entra-saml2", "entra-wsfed")
    case("fed-006-missing", bad, ["CB-FED-006"], {"preferredAuthenticationProtocol": None}, consumers=both)
    case("fed-006-not-wsfed", "accepted", [], {"preferredAuthenticationProtocol": "wsFed"}, consumers=("entra-wsfed",))
    case("fed-007-expired", bad, ["CB-FED-007"], at="2060-01-01T00:00:00Z")
    end = keys.bound(keys.active, "end")
    case("fed-007-soon", "accepted", ["CB-FED-007"], at=end(-59))
    case("fed-007-not-yet", "accepted", ["CB-FED-007"], at="2026-01-01T00:00:00Z")
    case("fed-007-not-soon", "accepted", [], at=end(-61))
    case("fed-008-unset", "accepted", ["CB-FED-008"], {"systemBrowserEnabledOn": ...})
    case("fed-008-no-android", "accepted", ["CB-FED-008"], {"systemBrowserEnabledOn": ["ios", "macos"]})
    pair = [
        {"id": "contoso.com", "isDefault": False, "federationConfiguration": [whole]},
        {"id": "fabrikam.com", "isDefault": False, "federationConfiguration": [{**whole, "@odata.context": None}]},
    ]
    put("fed-009-shared", json.dumps(pair), bad, ["CB-FED-009"])
    below = json.loads(json.dumps(pair).replace("fabrikam.com", "eu.contoso.com"))
    put("fed-009-not-below", json.dumps(below), "accepted")
    below[1]["federationConfiguration"][0]["issuerUri"] = "https://idp.contoso.com/eu.contoso.com"
    put("fed-009-below", json.dumps(below), bad, ["CB-FED-001", "CB-FED-009"])
    signed = {"isSignedAuthenticationRequestRequired": True}
    case("fed-010-no-keys", bad, ["CB-FED-010"], signed, request_keys=False)
    case("fed-010-not-with-keys", "accepted", [], signed, request_keys=True)
    case("fed-010-undecided", "undecided", [], signed, undecided=["CB-FED-010"])
    default = {"id": "contoso.com", "isDefault": True, "federationConfiguration": [whole]}
    put("fed-011-default", json.dumps(default), bad, ["CB-FED-011"])
    put("fed-011-not-default", json.dumps({**default, "isDefault": False}), "accepted")
    put("fed-011-microsoft", json.dumps({**default, "id": "contoso.onmicrosoft.com", "isDefault": False}), bad, ["CB-FED-011"])
    case("fed-011-no-accounts", bad, ["CB-FED-011"], emergency_accounts=False)
    case("fed-012-on", "accepted", ["CB-FED-012"], security_defaults=True)
    case("fed-013-samlp", bad, ["CB-FED-013"], {"preferredAuthenticationProtocol": "Samlp"})
    case("fed-013-behavior", bad, ["CB-FED-013"], {"federatedIdpMfaBehavior": "enforceMfa"})

    settings = {name: value for name, value in whole.items() if "@" not in name and name != "id" and value is not None}

    def command(name, edit):
        listed = {**settings, **edit}
        words = {True: "$true", False: "$false"}
        return name + " -DomainId contoso.com " + " ".join(
            f"-{key[0].upper()}{key[1:]} " + (words[value] if isinstance(value, bool) else f'"{value}"')
            for key, value in listed.items() if value is not None)

    new, update = "New-MgDomainFederationConfiguration", "Update-MgDomainFederationConfiguration"
    put("fed-good-command", command(new, {}), "accepted")
    put("fed-003-command", command(new, {"federatedIdpMfaBehavior": "rejectMfaByFederatedIdp"}), bad, ["CB-FED-003"])
    put("fed-003-update", f"{update} -DomainId contoso.com -FederatedIdpMfaBehavior rejectMfaByFederatedIdp", bad,
        ["CB-FED-003"], ["CB-FED-001", "CB-FED-002", "CB-FED-006"], consumers=both)
    put("fed-undecided-update", f"{update} -DomainId contoso.com -PreferredAuthenticationProtocol saml -SigningCertificate $certificate",
        "undecided", [], ["CB-FED-001", "CB-FED-002", "CB-FED-003"])
    put("fed-013-supports-mfa", command(new, {"supportsMfa": True}), bad, ["CB-FED-013"])
    put("fed-013-unknown", command(new, {"federatedIdpMfaBehaviour": "x"}), bad, ["CB-FED-013"])
    old = (
        "Set-MsolDomainAuthentication -DomainName contoso.com -Authentication Federated -FederationBrandName Contoso `\n"
        f"  -IssuerUri {ISSUER} -PassiveLogOnUri '{SIGN_IN}' -LogOffUri {SIGN_OUT} -PreferredAuthenticationProtocol Samlp `\n"
        f"  -SigningCertificate {b64(keys.active)} -SupportsMfa $true"
    )
    put("fed-014-msol", old, bad, ["CB-FED-005", "CB-FED-008", "CB-FED-014"])
    call = f"PATCH https://graph.microsoft.com/v1.0/domains/contoso.com/federationConfiguration/6601d14b\nContent-Type: application/json\n\n{json.dumps(settings)}"
    put("fed-014-not-call", call, "accepted")
    listing = "\n".join(f"{name[0].upper()}{name[1:]} : {value}" for name, value in settings.items())
    put("fed-good-listing", listing, "accepted")

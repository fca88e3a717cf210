"""CB-JWT and CB-PC."""

import copy
import json

from .signing import b64url, token

AT = "2019-02-02T06:30:00Z"
IAT, EXP = 1549088552, 1549092452


LOGOUT = (
    '<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_l" Version="2.0" '
    'IssueInstant="2026-11-20T10:00:00Z"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">'
    "urn:federation:MicrosoftOnline</saml:Issuer></samlp:LogoutRequest>"
)


def add(book, keys, claims):
    for name, outcome, expect in [("kind-002-logout", "undecided", "entra-saml2"), ("kind-002-not-logout", "not-applicable", None)]:
        book.add(name, LOGOUT, outcome, undecided=["CB-KIND-002"] if expect else [], kind="saml2-logout",
                 verdicts={"entra-saml2": outcome}, expect=expect)
    def options(given):
        none = {key: None for key in ("issuer", "domain", "cloud", "request")}
        return {"at": AT, **none, "certificates": [], **given}

    def bare(name, outcome, rules=(), edit=None, undecided=(), verdicts=None, **given):
        changed = copy.deepcopy(claims)
        for key, value in (edit or {}).items():
            if value is None:
                changed.pop(key, None)
            else:
                changed[key] = value
        text = json.dumps(changed, indent=1, ensure_ascii=False)
        book.add(name, text, outcome, sorted({*rules, "CB-PC-008"}), undecided, kind="jwt-claims",
                 verdicts=verdicts or {"partner-center": outcome}, **options(given))

    def signed(name, text, outcome, rules=(), undecided=(), verdicts=None, **given):
        book.add(name, text, outcome, rules, undecided, kind="jwt",
                 verdicts=verdicts or {"partner-center": outcome}, **options(given))

    book.add("pc-good", None, "accepted", ["CB-PC-008"], kind="jwt-claims", verdicts={"partner-center": "accepted"},
             file="../../entra/partner-center-access-token.claims.json", **options({}))
    bad = "rejected"
    book.add("fixture-external-mfa-hint", None, bad, ["CB-PC-003", "CB-PC-005", "CB-PC-006", "CB-PC-007", "CB-PC-008"],
             kind="jwt-claims", verdicts={"partner-center": bad},
             file="../../entra/external-mfa-id-token-hint.claims.json", **options({}))
    bare("pc-001-password", bad, ["CB-PC-001"], {"amr": ["pwd"]})
    bare("pc-001-empty", bad, ["CB-PC-001"], {"amr": []})
    bare("pc-001-ngcmfa", bad, ["CB-PC-001"], {"amr": ["ngcmfa", "rsa"]})
    bare("pc-001-upper-case", bad, ["CB-PC-001"], {"amr": ["pwd", "MFA"]})
    bare("pc-001-not-with-others", "accepted", [], {"amr": ["rsa", "ngcmfa", "mfa"]})

    user = {key: None for key in ("amr", "scp", "upn", "unique_name", "family_name", "given_name", "name", "ipaddr")}
    bare("pc-002-idtyp", "not-applicable", ["CB-PC-002"], {**user, "idtyp": "app", "roles": ["x"]})
    bare("pc-002-own-object", "not-applicable", ["CB-PC-002"], {**user, "sub": claims["oid"]})
    bare("pc-002-expired", bad, ["CB-PC-002", "CB-PC-005"], {**user, "idtyp": "app"}, at="2020-01-01T00:00:00Z")
    # Leaving the user's claims out does not make it a token of an application.
    bare("pc-002-not-bare", bad, ["CB-PC-006", "CB-PC-007"], user)
    bare("pc-002-not-with-scope", bad, ["CB-PC-007"], {"amr": None, "idtyp": "app"})

    bare("pc-003-graph", bad, ["CB-PC-003"], {"aud": "https://graph.microsoft.com"})
    bare("pc-003-slash", bad, ["CB-PC-003"], {"aud": claims["aud"] + "/"})
    bare("pc-003-missing", bad, ["CB-PC-003"], {"aud": None})
    bare("pc-003-two", bad, ["CB-PC-003"], {"aud": [claims["aud"], "other"]})
    bare("pc-003-not-china", "accepted", [], {"aud": "https://partner.partnercenterapi.microsoftonline.cn",
                                              "iss": f"https://sts.chinacloudapi.cn/{claims['tid']}/"})

    tid = claims["tid"]
    bare("pc-004-tenant", bad, ["CB-PC-004"], {"tid": "11111111-7b35-40a2-ba78-6481de91f8ae"})
    bare("pc-004-no-tid", bad, ["CB-PC-004"], {"tid": None})
    bare("pc-004-no-slash", bad, ["CB-PC-004"], {"iss": f"https://sts.windows.net/{tid}"})
    bare("pc-004-foreign", bad, ["CB-PC-004"], {"iss": f"https://sts.windows.net.evil.example/{tid}/"})
    bare("pc-004-no-guid", bad, ["CB-PC-004"], {"iss": "https://sts.windows.net/common/", "tid": "common"})
    bare("pc-004-not-v2", "accepted", [], {"iss": f"https://login.microsoftonline.com/{tid}/v2.0"})

    bare("pc-005-expired", bad, ["CB-PC-005"], at="2019-02-02T07:32:32Z")
    bare("pc-005-not-expired", "accepted", [], at="2019-02-02T07:32:31Z")
    bare("pc-005-expired-no-skew", bad, ["CB-PC-005"], at="2019-02-02T07:27:32Z", skew=0)
    bare("pc-005-not-yet", bad, ["CB-PC-005"], at="2019-02-02T06:17:31Z")
    bare("pc-005-not-not-yet", "accepted", [], at="2019-02-02T06:17:32Z")
    bare("pc-005-no-exp", bad, ["CB-PC-005"], {"exp": None})
    bare("pc-005-exp-text", bad, ["CB-PC-005"], {"exp": str(EXP)})
    bare("pc-005-exp-negative", bad, ["CB-PC-005"], {"exp": -1})
    bare("pc-005-exp-far", bad, ["CB-PC-005"], {"exp": 10**18})
    bare("pc-005-exp-real", bad, ["CB-PC-005"], {"exp": 1e200})

    bare("pc-006-other", bad, ["CB-PC-006"], {"scp": "User.Read"})
    bare("pc-006-near", bad, ["CB-PC-006"], {"scp": "user_impersonation2"})
    bare("pc-006-missing", bad, ["CB-PC-006"], {"scp": None})
    bare("pc-006-not-several", "accepted", [], {"scp": "openid user_impersonation"})

    bare("pc-007-string", bad, ["CB-PC-007"], {"amr": "mfa"})
    bare("pc-007-missing", bad, ["CB-PC-007"], {"amr": None})
    bare("pc-007-number", bad, ["CB-PC-007"], {"amr": ["pwd", "mfa", 1]})
    bare("pc-007-object", bad, ["CB-PC-007"], {"amr": {"mfa": True}})

    bare("pc-009-iat", "accepted", ["CB-PC-009"], {}, max_age=447)
    bare("pc-009-not-iat", "accepted", [], {}, max_age=448)
    bare("pc-009-auth-time", "accepted", ["CB-PC-009"], {"auth_time": IAT - 7200}, max_age=3600)
    bare("pc-009-neither", "accepted", ["CB-PC-009"], {"iat": None}, max_age=3600)

    good = token(claims, keys.active)
    keyed = {"jwks": "jwks.json"}
    signed("pc-008-jwt-no-keys", good, "undecided", undecided=["CB-PC-008"])
    signed("pc-008-jwt-trust-unsigned", good, "accepted", ["CB-PC-008"], trust_unsigned=True)
    signed("pc-008-not-verified", good, "accepted", **keyed)
    signed("pc-008-bearer", f"Authorization: Bearer {good}\n", "accepted", **keyed)
    head = {"typ": "JWT", "alg": "RS256", "kid": "unknown"}
    signed("pc-008-unknown-kid", token(claims, keys.other, head), "undecided", undecided=["CB-PC-008"], **keyed)
    signed("kind-001-jwt-for-entra", good, bad, ["CB-KIND-001"], expect="entra-saml2",
           verdicts={"entra-saml2": bad}, **keyed)
    deep = json.dumps({**claims, "x": 0}).replace('"x": 0', '"x": ' + "[" * 16 + "]" * 16).encode()
    fits = json.dumps({**claims, "x": 0}).replace('"x": 0', '"x": ' + "[" * 15 + "]" * 15).encode()
    signed("jwt-001-deep", token(None, keys.active, payload=deep), bad, ["CB-JWT-001"], **keyed)
    signed("jwt-001-not-deep", token(None, keys.active, payload=fits), "accepted", **keyed)
    book.add("jwt-001-claims-deep", deep, bad, ["CB-JWT-001"], kind="jwt-claims",
             verdicts={"partner-center": bad}, **options({}))
    twice = json.dumps(claims).replace('"amr":', '"amr": ["pwd"], "amr":').encode()
    signed("jwt-002-amr-twice", token(None, keys.active, payload=twice), bad, ["CB-JWT-002"], **keyed)
    signed("jwt-002-not-other-case", token({**claims, "Amr": ["pwd"]}, keys.active), "accepted", **keyed)

    signed("jwt-003-other-key", token(claims, keys.other), bad, ["CB-JWT-003"], **keyed)
    front, payload, signature = good.split(".")
    changed = b64url(json.dumps({**claims, "amr": ["mfa"]}).encode())
    signed("jwt-003-edited", f"{front}.{changed}.{signature}", bad, ["CB-JWT-003"], **keyed)
    none = b64url(b'{"typ":"JWT","alg":"none"}')
    signed("jwt-003-alg-none", f"{none}.{payload}.", bad, ["CB-JWT-003"], **keyed)
    signed("jwt-003-alg-none-trust-unsigned", f"{none}.{payload}.", bad, ["CB-JWT-003"], trust_unsigned=True)
    for alg in ("HS256", "RS512", "rs256"):
        header = {"typ": "JWT", "alg": alg, "kid": "active"}
        signed(f"jwt-003-alg-{alg if alg != 'rs256' else 'lower-case'}", token(claims, keys.active, header), bad,
               ["CB-JWT-003"], **keyed)
    signed("jwt-003-no-signature", f"{front}.{payload}.", bad, ["CB-JWT-003"], **keyed)
    signed("jwt-003-crit", token(claims, keys.active, {"alg": "RS256", "kid": "active", "crit": ["x"]}), bad,
           ["CB-JWT-003"], **keyed)
    # Attack 13: a key in the token's own header is never looked at.
    signed("jwt-003-embedded-key", token(claims, keys.other, {"alg": "RS256", "jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}),
           bad, ["CB-JWT-003"], **keyed)
    signed("jwt-004-payload-cut", f"{front}.{payload[:-5]}.{signature}", bad, ["CB-JWT-004"], **keyed)
    signed("jwt-004-no-object", f"{front}.{b64url(b'[1]')}.{signature}", bad, ["CB-JWT-004"], **keyed)

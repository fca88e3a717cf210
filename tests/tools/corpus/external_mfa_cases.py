"""CB-EAM: an id_token that answers External MFA, discovery, key sets."""

import json
from urllib.parse import urlencode

from .signing import b64url, jwk, token

ISSUER = "https://idp.contoso.com/oidc"
DISCOVERY_URL = ISSUER + "/.well-known/openid-configuration"
CLIENT = "00000000-0000-0000-0000-00000000c11e"
NONCE = "AwABAAEAAAACAOz_BQD0_nonce"
SUB = "mBfcvuhSHkDWVgV72x2ruIYdSsPSvcj2R0qfc6mGEAA"
ASKED = 1795168740  # 2026-11-20T09:59:00Z
METHODS = ["face", "fido", "fpt", "hwk", "iris", "otp", "pop", "retina", "sc", "sms", "swk", "tel", "vbm"]
HINT = {
    "aud": "6a37a5e8-0000-4000-8000-000000000000", "iss": "https://login.microsoftonline.com/4ef7a5e8/v2.0",
    "iat": ASKED, "exp": ASKED - 1, "sub": SUB, "oid": "oid", "tid": "4ef7a5e8", "ver": "2.0",
}
CLAIMS = {
    "iss": ISSUER, "aud": CLIENT, "iat": ASKED + 40, "exp": ASKED + 340, "sub": SUB, "nonce": NONCE,
    "acr": "possessionorinherence", "amr": ["otp"],
}
DISCOVERY = {
    "issuer": ISSUER, "authorization_endpoint": ISSUER + "/authorize", "jwks_uri": ISSUER + "/jwks",
    "response_types_supported": ["id_token"], "scopes_supported": ["openid"], "subject_types_supported": ["public"],
    "id_token_signing_alg_values_supported": ["RS256"], "claim_types_supported": ["normal"],
}
REPLY = [ISSUER + "/authorize"]


def authorization(keys, acr="possessionorinherence"):
    asked = {"id_token": {"acr": {"essential": True, "values": [acr]}, "amr": {"essential": True, "values": METHODS}}}
    return urlencode({
        "scope": "openid", "response_type": "id_token", "response_mode": "form_post", "client_id": CLIENT,
        "redirect_uri": "https://login.microsoftonline.com/common/federation/externalauthprovider", "nonce": NONCE,
        "state": "state", "id_token_hint": token(HINT, keys.other, {"typ": "JWT", "alg": "RS256", "kid": "entra"}),
        "claims": json.dumps(asked, separators=(",", ":")), "client-request-id": "4c2b0e1c-0000-4000-8000-000000000000",
    })


def key_sets(keys):
    """The key sets that options name: file name and content."""
    good = jwk(keys.active, x5c=keys.active)
    return {
        "eam-jwks.json": [good],
        "eam-jwks-no-x5c.json": [jwk(keys.active)],
        "eam-jwks-other-x5c.json": [jwk(keys.active, x5c=keys.other)],
    }


def add(book, keys):
    good = {
        "issuer": ISSUER, "domain": None, "cloud": None, "certificates": [], "request": "eam-request.txt",
        "jwks": "eam-jwks.json",
    }

    def put(name, text, outcome, rules=(), undecided=(), kind="jwt", encoding=(), **given):
        book.add(name, text, outcome, rules, undecided, kind=kind, encoding=encoding,
                 verdicts={"entra-external-mfa": outcome}, **{**good, **given})

    def case(name, outcome, rules=(), edit=None, undecided=(), key=None, header=None, **given):
        changed = {name: value for name, value in {**CLAIMS, **(edit or {})}.items() if value is not None}
        put(name, token(changed, key or keys.active, header), outcome, rules, undecided, **given)

    bad = "rejected"
    case("eam-good", "accepted")
    posted = f"state=x&id_token={token(CLAIMS, keys.active)}"
    put("eam-good-form", posted, "accepted", encoding=["form"])
    case("eam-nothing-given", "undecided", undecided=[
        "CB-EAM-002", "CB-EAM-003", "CB-EAM-004", "CB-EAM-005", "CB-EAM-006", "CB-EAM-008", "CB-EAM-009"],
        issuer=None, request=None, jwks=None)
    put("eam-bare-claims", json.dumps(CLAIMS), "undecided", [], ["CB-EAM-001", "CB-EAM-002"], kind="jwt-claims")
    case("kind-001-external-mfa-for-entra", bad, ["CB-KIND-001"], expect="entra-saml2")
    book.entries[-1]["verdicts"] = {"entra-saml2": bad}

    front, payload, _ = token(CLAIMS, keys.active).split(".")
    none = b64url(b'{"typ":"JWT","alg":"none","kid":"active"}')
    put("eam-001-none", f"{none}.{payload}.", bad, ["CB-EAM-001"])
    case("eam-001-hs256", bad, ["CB-EAM-001"], header={"alg": "HS256", "kid": "active"})
    case("jwt-003-eam-other-key", bad, ["CB-JWT-003"], key=keys.other)
    case("eam-002-unknown", bad, ["CB-EAM-002"], header={"alg": "RS256", "kid": "other"})
    case("eam-002-other-form", bad, ["CB-EAM-002"], header={"alg": "RS256", "kid": "ACTIVE="})
    case("eam-002-none", bad, ["CB-EAM-002"], header={"alg": "RS256"})
    case("eam-003-no-x5c", bad, ["CB-EAM-003"], jwks="eam-jwks-no-x5c.json")
    case("eam-003-other-x5c", bad, ["CB-EAM-003"], jwks="eam-jwks-other-x5c.json")
    case("eam-004-slash", bad, ["CB-EAM-004"], {"iss": ISSUER + "/"})
    case("eam-004-port", bad, ["CB-EAM-004"], {"iss": ISSUER.replace(".com/", ".com:443/")})
    case("eam-004-not-by-url", "accepted", issuer=None, discovery_url=DISCOVERY_URL)
    case("eam-005-aud", bad, ["CB-EAM-005"], {"aud": "other"})
    case("eam-005-nonce", bad, ["CB-EAM-005"], {"nonce": "other"})
    case("eam-005-sub", bad, ["CB-EAM-005"], {"sub": "other"})
    case("eam-005-array", "accepted", ["CB-EAM-005"], {"aud": [CLIENT]})
    case("eam-006-other", bad, ["CB-EAM-006"], {"acr": "possession"})
    case("eam-006-array", bad, ["CB-EAM-006"], {"acr": ["possessionorinherence"]})
    case("eam-006-never", bad, ["CB-EAM-006"], {"acr": "1"}, request=None, client_id=CLIENT, hint="eam-hint.json",
         undecided=["CB-EAM-005"])
    case("eam-007-mfa", bad, ["CB-EAM-007"], {"amr": ["mfa"]})
    case("eam-007-two", bad, ["CB-EAM-007"], {"amr": ["otp", "fido"]})
    case("eam-007-text", bad, ["CB-EAM-007"], {"amr": "otp"})
    case("eam-007-not-fido", "accepted", [], {"amr": ["fido"]})
    # A fingerprint came first: possession or knowledge is asked for.
    case("eam-008-same-type", bad, ["CB-EAM-008"], {"acr": "knowledgeorpossession", "amr": ["fpt"]},
         request="eam-request-after-inherence.txt")
    case("eam-008-not-same-type", "accepted", [], {"acr": "knowledgeorpossession"},
         request="eam-request-after-inherence.txt")
    case("eam-009-late", bad, ["CB-EAM-009"], {"iat": ASKED + 301, "exp": ASKED + 600}, at="2026-11-20T10:04:30Z")
    case("eam-009-not-late", "accepted", [], {"iat": ASKED + 300, "exp": ASKED + 600}, at="2026-11-20T10:04:30Z")
    case("eam-009-expired", bad, ["CB-EAM-009"], at="2026-11-20T10:09:40Z")
    case("eam-009-no-iat", bad, ["CB-EAM-009"], {"iat": None})
    put("eam-request", authorization(keys), "not-applicable", kind="external-mfa-request", encoding=["form"])

    def document(name, outcome, rules=(), edit=None, undecided=(), head="Content-Length: 700\r\n", **given):
        members = {name: value for name, value in {**DISCOVERY, **(edit or {})}.items() if value is not None}
        text = json.dumps(members, indent=1)
        encoding = []
        if head is not None:
            text = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}\r\n{text}"
            encoding = ["http-message"]
        put(name, text, outcome, rules, undecided, kind="oidc-discovery", encoding=encoding,
            **{"app_reply_urls": REPLY, "discovery_url": DISCOVERY_URL, **given})

    document("eam-010-not-complete", "accepted")
    document("eam-010-no-length", bad, ["CB-EAM-010"], head="Transfer-Encoding: chunked\r\n")
    document("eam-010-no-head", "undecided", undecided=["CB-EAM-010"], head=None)
    document("eam-010-no-id-token", bad, ["CB-EAM-010"], {"response_types_supported": ["code"]})
    document("eam-010-no-jwks", bad, ["CB-EAM-010"], {"jwks_uri": None})
    document("eam-010-es256", bad, ["CB-EAM-010"], {"id_token_signing_alg_values_supported": ["ES256"]})
    document("eam-004-discovery-slash", bad, ["CB-EAM-004"], {"issuer": ISSUER + "/"}, issuer=None)
    document("eam-011-other", bad, ["CB-EAM-011"], app_reply_urls=[ISSUER + "/other"])
    document("eam-011-undecided", "undecided", undecided=["CB-EAM-011"], app_reply_urls=[])

    def key_set(name, outcome, rules, *listed):
        put(name, json.dumps({"keys": list(listed)}, indent=1), outcome, rules, kind="jwks")

    whole = jwk(keys.active, x5c=keys.active)
    key_set("eam-003-not-set", "accepted", [], whole)
    key_set("eam-003-set-no-x5c", bad, ["CB-EAM-003"], jwk(keys.active))
    key_set("eam-003-set-other-x5c", bad, ["CB-EAM-003"], jwk(keys.active, x5c=keys.other))
    key_set("eam-002-set-twice", bad, ["CB-EAM-002"], whole, whole)
    key_set("eam-002-set-no-kid", bad, ["CB-EAM-002"], {name: value for name, value in whole.items() if name != "kid"})
    key_set("eam-001-set-curve", bad, ["CB-EAM-001"], whole, {"kty": "EC", "kid": "ec", "crv": "P-256"})
    key_set("eam-012-private", bad, ["CB-EAM-012"], {**whole, "d": "AQAB"})

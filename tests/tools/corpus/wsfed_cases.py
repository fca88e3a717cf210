"""CB-WSFED: each rule broken, and just not broken."""

import base64
from urllib.parse import quote, quote_plus

from . import message
from .message import MFA
from .saml_cases import INCLUSIVE, MORE, US
from .signing import DS, ENVELOPED, sign, template
from .wsfed_message import (
    ID, NETWORK, PASSWORD, REFERENCES, answer, assertion, claim, claims, envelope,
)

DERIVED = {"accepted": "accepted", "accepted-without-mfa": "rejected", "rejected": "rejected", "undecided": "undecided"}
WIA = "http://schemas.microsoft.com/claims/wiaormultiauthn"


def add(book, keys):
    def put(name, content, outcome, rules=(), undecided=(), kind="wsfed-rstr", encoding=(), **options):
        verdicts = options.pop("verdicts", None) or {"entra-wsfed": outcome, "partner-center": DERIVED[outcome]}
        book.add(name, content, outcome, rules, undecided, kind=kind, encoding=encoding, verdicts=verdicts,
                 **{"request": None, **options})

    def case(name, outcome, rules=(), key=None, undecided=(), options=None, **parts):
        put(name, answer(key or keys.active, **parts), outcome, rules, undecided, **(options or {}))

    good = answer(keys.active)
    put("wsfed-good", good, "accepted")
    alone = sign(assertion(template("#_assertion")), keys.active, "Assertion")
    put("wsfed-good-assertion-alone", alone, "accepted", kind="saml11-assertion")
    put("wsfed-nothing-given", None, "undecided", file="wsfed-good.xml",
        undecided=["CB-WSFED-003", "CB-WSFED-006", "CB-WSFED-010", "CB-WSFED-013"],
        issuer=None, domain=None, cloud=None, certificates=[])
    put("kind-001-expect-saml2", None, "rejected", ["CB-KIND-001"], file="wsfed-good.xml", expect="entra-saml2",
        verdicts={"entra-saml2": "rejected"})
    form(put, case, keys, good)
    signatures(put, case, keys, good)
    subject(case)
    authentication(case)
    wrapping(put, keys, good)


def form(put, case, keys, good):
    posted = f"wa=wsignin1.0&wctx=LoginOptions%3D3&wresult={quote_plus(good)}"
    put("wsfed-001-not-form", posted, "accepted", encoding=["form"])
    raw = f"wa=wsignin1.0&wresult={good}&wctx="
    put("wsfed-001-not-raw-form", raw, "accepted", encoding=["form"])
    plain = base64.b64encode(good.encode()).decode()
    put("wsfed-001-base64", f"wa=wsignin1.0&wresult={quote(plain, safe='')}", "rejected", ["CB-WSFED-001"],
        encoding=["form", "base64"])
    put("wsfed-001-perhaps-base64", plain, "accepted", ["CB-WSFED-001"], encoding=["base64"])
    escaped = good.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    page = (
        '<!DOCTYPE html><html><body><form method="POST" action="https://login.microsoftonline.com/login.srf">'
        f'<input type="hidden" name="wa" value="wsignin1.0"/><input type="hidden" name="wresult" value="{escaped}"/>'
        "</form></body></html>"
    )
    put("wsfed-001-not-page", page, "accepted", encoding=["html-form"])
    put("wsfed-001-not-escaped", escaped, "accepted", encoding=["html-escaped"])
    whole = good[good.index("<t:RequestedSecurityToken>"):good.index("</t:RequestedSecurityToken>")]
    token = whole[len("<t:RequestedSecurityToken>"):]
    put("wsfed-001-two-tokens", good.replace(token, token + token.replace("_assertion", "_second")), "rejected",
        ["CB-WSFED-001"])
    put("wsfed-001-no-token", good.replace(token, ""), "rejected", ["CB-WSFED-001"])
    put("wsfed-001-encrypted", good.replace(token, '<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"/>'),
        "rejected", ["CB-WSFED-001"])
    put("wsfed-001-envelope", f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>{good}</s:Body></s:Envelope>',
        "rejected", ["CB-WSFED-001"])
    two = sign(envelope(message.assertion(
        template("#_assertion"), namespace=' xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"')), keys.active, "Assertion")
    put("wsfed-002-saml2", two, "rejected", ["CB-WSFED-002"])
    case("wsfed-002-minor", "rejected", ["CB-WSFED-002"], minor="0")
    case("wsfed-002-token-type", "rejected", ["CB-WSFED-002"], token_type="urn:oasis:names:tc:SAML:2.0:assertion")
    case("wsfed-002-not-other-name", "accepted",
         token_type="http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1")
    issuer = message.ISSUER
    case("wsfed-003-slash", "rejected", ["CB-WSFED-003"], issuer=issuer + "/")
    case("wsfed-003-other", "rejected", ["CB-WSFED-003"], issuer="https://idp.fabrikam.com")
    case("wsfed-003-undecided", "undecided", undecided=["CB-WSFED-003"], options={"issuer": None})
    case("wsfed-010-another-cloud", "rejected", ["CB-WSFED-010"], audience=US, applies_to=US)
    case("wsfed-010-applies-to", "rejected", ["CB-WSFED-010"], applies_to="urn:other")
    case("wsfed-010-none", "rejected", ["CB-WSFED-010"], audience=None)
    case("wsfed-010-not-without-applies-to", "accepted", applies_to=None)
    case("wsfed-020-sender", "rejected", ["CB-WSFED-020"], confirmation="urn:oasis:names:tc:SAML:1.0:cm:sender-vouches")


def signatures(put, case, keys, good):
    case("wsfed-004-none", "rejected", ["CB-WSFED-004"], signed=False)
    put("wsfed-005-edited", good.replace(f">{ID}<", ">ABCDEG1234567891<"), "rejected", ["CB-WSFED-005"])
    case("wsfed-006-other", "rejected", ["CB-WSFED-006"], key=keys.other)
    case("wsfed-006-not-next", "accepted", key=keys.next)
    case("wsfed-006-undecided", "undecided", undecided=["CB-WSFED-006"], options={"certificates": []})
    case("wsfed-007-sha1", "accepted", ["CB-WSFED-007"], shape={"method": DS + "rsa-sha1", "digest": DS + "sha1"})
    case("wsfed-007-not-sha512", "accepted", shape={
        "method": MORE + "rsa-sha512", "digest": "http://www.w3.org/2001/04/xmlenc#sha512"})
    case("wsfed-008-1024-bits", "rejected", ["CB-WSFED-008"], key=keys.short)
    case("wsfed-009-inclusive", "rejected", ["CB-WSFED-009"], shape={"transforms": (ENVELOPED, INCLUSIVE)})
    case("wsfed-017-first", "accepted", ["CB-WSFED-017"], signature_first=True)
    indented = good.replace("><", ">\n  <")
    put("wsfed-017-indented", indented, "rejected", ["CB-WSFED-005", "CB-WSFED-017"])
    put("wsfed-017-not-outside", good.replace("<t:RequestedSecurityToken>", "\n <t:RequestedSecurityToken>\n"), "accepted")


def subject(case):
    other = claim(("http://schemas.xmlsoap.org/ws/2005/05/identity/claims", "upn"), "agent1@contoso.com")
    case("wsfed-011-missing", "rejected", ["CB-WSFED-011"], attributes=claims(upn=None))
    case("wsfed-011-other-name", "rejected", ["CB-WSFED-011"], attributes=claims(upn=None, more=other))
    case("wsfed-011-not-both-names", "accepted", attributes=claims(more=other))
    case("wsfed-012-missing", "rejected", ["CB-WSFED-012"], attributes=claims(immutable=None))
    case("wsfed-012-dollar", "rejected", ["CB-WSFED-012"], attributes=claims(immutable="ABC$1"), name_id="ABC$1")
    case("wsfed-012-unlike", "rejected", ["CB-WSFED-012"], name_id="OTHER00000000000")
    case("wsfed-012-not-without-name", "accepted", name_id=None)
    case("wsfed-013-other", "rejected", ["CB-WSFED-013"], attributes=claims(upn="agent1@fabrikam.com"))
    case("wsfed-013-not-sub-domain", "accepted", attributes=claims(upn="agent1@eu.contoso.com"))


def authentication(case):
    case("wsfed-014-expired", "rejected", ["CB-WSFED-014"], end="2026-11-20T09:55:00Z")
    case("wsfed-014-not-expired", "accepted", end="2026-11-20T09:55:01Z")
    case("wsfed-014-lifetime", "rejected", ["CB-WSFED-014"], expires="2026-11-20T09:00:00Z")
    case("wsfed-014-no-zone", "rejected", ["CB-WSFED-014"], end="2026-11-20T10:55:00")
    case("wsfed-014-no-end", "rejected", ["CB-WSFED-014"], end=None)
    without = "accepted-without-mfa"
    password = {"method": PASSWORD}
    case("wsfed-015-password", without, ["CB-WSFED-015"], attributes=claims(references=(PASSWORD,)), **password)
    case("wsfed-015-no-statement", without, ["CB-WSFED-015"], attributes=claims(references=()), statement=False)
    case("wsfed-015-not-references", "accepted", **password)
    case("wsfed-015-not-method", "accepted", attributes=claims(references=(), methods=(PASSWORD, MFA)), **password)
    case("wsfed-015-not-statement", "accepted", attributes=claims(references=()))
    case("wsfed-015-not-wia", "accepted", attributes=claims(references=(WIA,)), **password)
    partner = claim((REFERENCES[0], "authenticationmethodsreferences"), MFA)
    case("wsfed-016-partner-name", without, ["CB-WSFED-015", "CB-WSFED-016"],
         attributes=claims(references=(), more=partner), **password)
    case("wsfed-016-not-beside", "accepted", attributes=claims(more=partner), **password)
    case("xml-005-wsfed-value", without, ["CB-XML-005", "CB-WSFED-015"], attributes=claims(references=(MFA + "/",)), **password)
    case("xml-005-wsfed-name", without, ["CB-XML-005", "CB-WSFED-015", "CB-WSFED-016"], attributes=claims(
        references=(), more=claim(("https://schemas.microsoft.com/claims", "authnmethodsreferences"), MFA)), **password)
    case("wsfed-018-missing", "accepted", ["CB-WSFED-018"], attributes=claims(instant=None))
    case("wsfed-018-old", "accepted", ["CB-WSFED-018"], options={"max_age": 59})
    case("wsfed-018-not-old", "accepted", options={"max_age": 60})
    case("wsfed-019-inside", "accepted", ["CB-WSFED-019"], attributes=claims(more=claim(NETWORK, "true")))
    case("wsfed-019-not-outside", "accepted", attributes=claims(more=claim(NETWORK, "false")))


def wrapping(put, keys, good):
    """Signature wrapping over SAML 1.1 (attack 10), and comment truncation (attack 12)."""
    begin, end = good.index("<saml:Assertion"), good.index("</saml:Assertion>") + len("</saml:Assertion>")
    whole = good[begin:end]
    signature = whole[whole.index("<ds:Signature"):whole.index("</ds:Signature>") + len("</ds:Signature>")]
    bare = whole.replace(signature, "")
    evil = bare.replace("_assertion", "_evil").replace(ID, "EVIL000000000000")
    close = "</saml:Assertion>"

    def case(name, rules, content):
        assert content != good
        put(f"attack-10-wsfed-{name}", content, "rejected", ["CB-XML-004", *rules])

    case("xsw-3", ["CB-WSFED-001", "CB-WSFED-004"], good.replace(whole, evil + whole))
    case("xsw-4", ["CB-WSFED-004"], good.replace(whole, evil.replace(close, whole + close)))
    case("xsw-5", ["CB-WSFED-001"], good.replace(whole, evil.replace(close, signature + close) + bare))
    case("xsw-6", ["CB-WSFED-005"],
         good.replace(whole, evil.replace(close, signature.replace("</ds:Signature>", bare + "</ds:Signature>") + close)))
    case("xsw-8", ["CB-WSFED-005"], good.replace(whole, evil.replace(close, signature.replace(
        "</ds:Signature>", f"<ds:Object>{bare}</ds:Object></ds:Signature>") + close)))
    case("xsw-7", [], good.replace("<t:Lifetime>", f"<t:Extra>{evil}</t:Extra><t:Lifetime>"))
    case("same-id", [], good.replace(whole, evil.replace("_evil", "_assertion") + whole))
    put("xml-003-wsfed-name", good.replace(f">{ID}</saml:NameIdentifier>", f">ABCDEG<!-- -->1234567890</saml:NameIdentifier>"),
        "rejected", ["CB-XML-003"])
    put("xml-003-wsfed-immutable", good.replace(f"<saml:AttributeValue>{ID}", "<saml:AttributeValue>ABCDEG<!-- -->1234567890"),
        "rejected", ["CB-XML-003"])
    put("xml-001-wsfed", "<!DOCTYPE x>" + good, "rejected", ["CB-XML-001"])

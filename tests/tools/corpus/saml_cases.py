"""CB-SAML: each rule broken, and just not broken."""

from .message import (
    ACS, AUDIENCE, ISSUER, MFA, PASSWORD, assertion, envelope, response, restriction, saml_attribute,
    statement,
)
from .signing import DS, ENVELOPED, EXC, RSA_SHA256, sign, template

INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
US = "urn:federation:microsoftonline.us"
US_ACS = "https://login.microsoftonline.us/login.srf"
CHINA = "urn:federation:partner.microsoftonline.cn"
CHINA_ACS = "https://login.partner.microsoftonline.cn/login.srf"


def add(book, keys):
    def case(name, outcome, rules=(), key=None, undecided=(), options=None, **parts):
        book.add(name, response(key or keys.active, **parts), outcome, rules, undecided, **(options or {}))

    good(book, keys, case)
    addressing(book, keys, case)
    signatures(book, keys, case)
    subject(case)
    authentication(case)


def good(book, keys, case):
    case("good", "accepted")
    case("good-both-signed", "accepted", on="both")
    case("good-next-certificate", "accepted", key=keys.next)
    case("good-response-without-issuer", "accepted", response_issuer=None)
    case("good-us-gov", "accepted", audience=restriction(US), destination=US_ACS, recipient=US_ACS,
         options={"cloud": "us-gov"})
    case("good-china", "accepted", audience=restriction(CHINA), destination=CHINA_ACS,
         recipient=CHINA_ACS, options={"cloud": "china"})
    alone = assertion(template("#_assertion"), namespace=' xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"')
    book.add("good-assertion-alone", sign(alone, keys.active, "Assertion"), "accepted", kind="saml2-assertion")
    book.add("good-expect-entra", None, "accepted", file="good.xml", expect="entra-saml2",
             verdicts={"entra-saml2": "accepted"})
    book.add("kind-001-expect-wsfed", None, "rejected", ["CB-KIND-001"], file="good.xml",
             expect="entra-wsfed", verdicts={"entra-wsfed": "rejected"})
    book.add("nothing-given", None, "undecided", file="good.xml",
             undecided=["CB-SAML-003", "CB-SAML-006", "CB-SAML-010", "CB-SAML-011", "CB-SAML-015"],
             issuer=None, domain=None, cloud=None, certificates=[], request=None)
    book.add("nothing-given-trust-unsigned", None, "undecided", file="good.xml",
             undecided=["CB-SAML-003", "CB-SAML-010", "CB-SAML-011", "CB-SAML-015"],
             issuer=None, domain=None, cloud=None, certificates=[], request=None, trust_unsigned=True)


def addressing(book, keys, case):
    failed = (
        '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder">'
        '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext"/></samlp:StatusCode>'
        "<samlp:StatusMessage>no second factor</samlp:StatusMessage></samlp:Status>"
    )
    case("saml-001-responder", "rejected", ["CB-SAML-001"], status=failed)
    case("saml-001-no-status", "rejected", ["CB-SAML-001"], status="")
    book.add("saml-001-no-assertion", envelope("", status=failed), "rejected", ["CB-SAML-001", "CB-SAML-002"])
    book.add("saml-002-none", envelope(""), "rejected", ["CB-SAML-002"])
    encrypted = '<saml:EncryptedAssertion><xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"/></saml:EncryptedAssertion>'
    book.add("saml-002-encrypted", envelope(encrypted), "rejected", ["CB-SAML-002"])
    one = sign(envelope(assertion(template("#_assertion"))), keys.active, "Assertion")
    two = sign(envelope(assertion(template("#_second"), id="_second")), keys.active, "Assertion")
    second = two[two.index("<saml:Assertion"):two.index("</samlp:Response>")]
    book.add("saml-002-two", one.replace("</samlp:Response>", second + "</samlp:Response>"),
             "rejected", ["CB-SAML-002"])

    for name, issuer in [
        ("slash", ISSUER + "/"), ("newline", ISSUER + "\n"), ("case", "https://idp.contoso.com/Contoso.com"),
        ("http", ISSUER.replace("https", "http")), ("other", "https://idp.fabrikam.com"),
    ]:
        case(f"saml-003-{name}", "rejected", ["CB-SAML-003"], issuer=issuer, response_issuer=issuer)
    case("saml-003-response-only", "rejected", ["CB-SAML-003"], response_issuer=ISSUER + "/")
    case("saml-003-differ-and-none-given", "rejected", ["CB-SAML-003"], response_issuer=ISSUER + "/",
         options={"issuer": None})
    case("saml-003-undecided", "undecided", undecided=["CB-SAML-003"], options={"issuer": None})

    case("saml-010-another-cloud", "rejected", ["CB-SAML-010"], audience=restriction(US))
    case("saml-010-case", "rejected", ["CB-SAML-010"], audience=restriction(AUDIENCE.lower()))
    case("saml-010-none", "rejected", ["CB-SAML-010"], audience="<saml:OneTimeUse/>")
    case("saml-010-two-restrictions", "rejected", ["CB-SAML-010"],
         audience=restriction(AUDIENCE) + restriction("urn:other"))
    case("saml-010-not-one-of-two", "accepted", audience=restriction("urn:other", AUDIENCE))
    case("saml-010-011-undecided", "undecided", undecided=["CB-SAML-010", "CB-SAML-011"], options={"cloud": None})
    case("saml-010-011-custom", "accepted", audience=restriction("urn:practice"), destination="http://127.0.0.1:1/acs",
         recipient="http://127.0.0.1:1/acs",
         options={"cloud": None, "audience": "urn:practice", "reply_url": "http://127.0.0.1:1/acs"})
    case("saml-011-destination", "rejected", ["CB-SAML-011"], destination=US_ACS)
    case("saml-011-recipient", "rejected", ["CB-SAML-011"], recipient=ACS + "/")
    case("saml-011-no-recipient", "rejected", ["CB-SAML-011"], recipient=None)
    case("saml-011-no-destination-signed", "rejected", ["CB-SAML-011"], on="both", destination=None)
    case("saml-011-not-no-destination-unsigned", "accepted", destination=None)
    case("saml-011-016-no-bearer", "rejected", ["CB-SAML-011"], confirmation=(
        '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"/>'))

    case("saml-017-missing", "rejected", ["CB-SAML-017"], in_response_to=None, data_in_response_to=None)
    case("saml-017-other", "rejected", ["CB-SAML-017"], in_response_to="_other", data_in_response_to="_other")
    case("saml-017-one-place", "rejected", ["CB-SAML-017"], data_in_response_to=None)
    case("saml-017-missing-none-given", "accepted", ["CB-SAML-017"], in_response_to=None,
         data_in_response_to=None, options={"request": None})
    case("saml-017-differ-none-given", "accepted", ["CB-SAML-017"], data_in_response_to="_other",
         options={"request": None})
    case("saml-017-not-none-given", "accepted", options={"request": None})


def signatures(book, keys, case):
    good = response(keys.active)
    case("saml-004-response-only", "rejected", ["CB-SAML-004"], on="response")
    case("saml-004-none", "rejected", ["CB-SAML-004"], on="none")
    case("saml-004-none-trust-unsigned", "rejected", ["CB-SAML-004"], on="none", options={"trust_unsigned": True})

    book.add("saml-005-edited", good.replace("ABCDEG1234567890", "ABCDEG1234567891"), "rejected", ["CB-SAML-005"])
    book.add("saml-005-indented", good.replace("<saml:Subject>", "\n  <saml:Subject>"), "rejected", ["CB-SAML-005"])
    other = response(keys.other)
    start, end = "<ds:X509Certificate>", "</ds:X509Certificate>"
    mine = good[good.index(start):good.index(end)]
    theirs = other[other.index(start):other.index(end)]
    book.add("saml-005-another-certificate", other.replace(theirs, mine), "rejected", ["CB-SAML-005"])
    book.add("saml-005-no-value", good[:good.index("<ds:SignatureValue>")] + "<ds:SignatureValue></ds:SignatureValue>"
             + good[good.index("<ds:KeyInfo>"):], "rejected", ["CB-SAML-005"])
    book.add("saml-005-certificate-damaged", good.replace(mine, start + "AAAA"), "rejected", ["CB-SAML-005"])
    signature = good[good.index("<ds:Signature "):good.index("</ds:Signature>") + len("</ds:Signature>")]
    book.add("saml-005-two-signatures", good.replace(signature, signature * 2), "rejected", ["CB-SAML-005"])
    both = response(keys.active, on="both")
    book.add("saml-005-response-edited", both.replace('Version="2.0" IssueInstant="2026-11-20T09:59:30Z" Destination',
             'Version="2.0" IssueInstant="2026-11-20T09:59:31Z" Destination'), "rejected", ["CB-SAML-005"])
    book.add("saml-005-not-space-outside", good.replace("<samlp:Status>", "\n  <samlp:Status>"), "accepted")
    no_certificate = {"key_info": ""}
    case("saml-005-not-without-key-info", "accepted", shape=no_certificate)
    case("saml-005-006-no-key-at-all", "undecided", undecided=["CB-SAML-005", "CB-SAML-006"], shape=no_certificate,
         options={"certificates": []})
    case("saml-005-006-not-no-key-trusted", "accepted", shape=no_certificate,
         options={"certificates": [], "trust_unsigned": True})
    case("saml-005-without-key-info-other-key", "rejected", ["CB-SAML-005"], key=keys.other, shape=no_certificate)

    case("saml-006-other", "rejected", ["CB-SAML-006"], key=keys.other)
    case("saml-006-other-trust-unsigned", "rejected", ["CB-SAML-006"], key=keys.other, options={"trust_unsigned": True})
    case("saml-006-next-not-registered", "rejected", ["CB-SAML-006"], key=keys.next,
         options={"certificates": ["active.pem"]})
    case("saml-006-undecided", "undecided", undecided=["CB-SAML-006"], options={"certificates": []})
    case("saml-006-not-trusted", "accepted", options={"certificates": [], "trust_unsigned": True})

    sha1 = DS + "sha1"
    case("saml-007-sha1", "accepted", ["CB-SAML-007"], shape={"method": DS + "rsa-sha1", "digest": sha1})
    case("saml-007-sha1-digest", "accepted", ["CB-SAML-007"], shape={"digest": sha1})
    case("saml-007-not-sha512", "accepted", shape={
        "method": MORE + "rsa-sha512", "digest": "http://www.w3.org/2001/04/xmlenc#sha512"})

    case("saml-008-1024-bits", "rejected", ["CB-SAML-008"], key=keys.short)
    case("saml-008-ecdsa", "rejected", ["CB-SAML-008"], key=keys.curve, shape={"method": MORE + "ecdsa-sha256"})
    # Not every xmlsec1 signs PSS; the rule goes by the name.
    book.add("saml-008-pss", good.replace(RSA_SHA256, "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"),
             "rejected", ["CB-SAML-008"])
    # Attack 13: HMAC with the public certificate as the secret.
    case("saml-008-hmac-with-certificate", "rejected", ["CB-SAML-008"], shape={"method": MORE + "hmac-sha256", "key_info": ""},
         hmac_with=keys.active.certificate)
    case("saml-008-digest-unknown", "rejected", ["CB-SAML-008"], shape={"digest": "http://www.w3.org/2001/04/xmldsig-more#sha224"})
    # Attack 13: a bare key in KeyInfo is never looked at, only registered certificates are.
    key_value = {"key_info": "<ds:KeyInfo><ds:KeyValue/></ds:KeyInfo>"}
    case("saml-005-embedded-key-value", "rejected", ["CB-SAML-005"], key=keys.other, shape=key_value)

    case("saml-009-inclusive-transform", "rejected", ["CB-SAML-009"], shape={"transforms": (ENVELOPED, INCLUSIVE)})
    case("saml-009-inclusive-method", "rejected", ["CB-SAML-009"], shape={"c14n": INCLUSIVE})
    case("saml-009-with-comments", "rejected", ["CB-SAML-009"], shape={"transforms": (ENVELOPED, EXC + "WithComments")})
    case("saml-009-only-enveloped", "rejected", ["CB-SAML-009"], shape={"transforms": (ENVELOPED,)})
    case("saml-009-two-references", "rejected", ["CB-SAML-009"], shape={"references": ["#_assertion", "#_assertion"]})
    outer = response(keys.active, on="response")
    book.add("saml-004-009-no-uri", outer.replace('URI="#_response"', 'URI=""'), "rejected", ["CB-SAML-004", "CB-SAML-009"])
    case("saml-009-not-prefix-list", "accepted", shape={"prefixes": "xs"})
    # Attack 13: SignedInfo without any reference, and empty.
    reference = good[good.index("<ds:Reference"):good.index("</ds:SignedInfo>")]
    book.add("saml-009-no-reference", good.replace(reference, ""), "rejected", ["CB-SAML-009"])
    info = good[good.index("<ds:SignedInfo>"):good.index("<ds:SignatureValue>")]
    book.add("saml-009-empty-signed-info", good.replace(info, "<ds:SignedInfo></ds:SignedInfo>"), "rejected", ["CB-SAML-009"])


def subject(case):
    form = "urn:oasis:names:tc:SAML:{}:nameid-format:{}".format
    case("saml-012-unspecified", "rejected", ["CB-SAML-012"], name_id_format=form("1.1", "unspecified"))
    case("saml-012-transient", "rejected", ["CB-SAML-012"], name_id_format=form("2.0", "transient"))
    case("saml-012-none", "rejected", ["CB-SAML-012"], name_id_format=None)
    case("saml-013-empty", "rejected", ["CB-SAML-013"], name_id="")
    case("saml-013-65", "rejected", ["CB-SAML-013"], name_id="x" * 65)
    case("saml-013-not-64", "accepted", name_id="x" * 64)
    case("saml-013-dollar", "rejected", ["CB-SAML-013"], name_id="ABC$1")
    case("saml-013-underscore", "rejected", ["CB-SAML-013"], name_id="dGhlIHF1aWNrIGJyb_24gZg")
    case("saml-013-base64url", "rejected", ["CB-SAML-013"], name_id="dGhlIHF1aWNrIGJy-24gZg")
    case("saml-013-not-base64", "accepted", name_id="dGhlIHF1aWNrIGJy+2/gZg==")
    case("saml-014-missing", "rejected", ["CB-SAML-014"], attributes="")
    case("saml-014-other-name", "rejected", ["CB-SAML-014"],
         attributes=saml_attribute("http://schemas.xmlsoap.org/claims/UPN", "agent1@contoso.com"))
    case("saml-014-no-upn", "rejected", ["CB-SAML-014"], attributes=saml_attribute("IDPEmail", "agent1"))
    case("saml-014-two", "rejected", ["CB-SAML-014"],
         attributes=saml_attribute("IDPEmail", "agent1@contoso.com", "agent2@contoso.com"))
    case("saml-014-not-upper-case", "accepted", attributes=saml_attribute("IDPEmail", "Agent1@Contoso.com"))
    case("saml-015-other", "rejected", ["CB-SAML-015"], attributes=saml_attribute("IDPEmail", "agent1@fabrikam.com"))
    case("saml-015-look-alike", "rejected", ["CB-SAML-015"],
         attributes=saml_attribute("IDPEmail", "agent1@evilcontoso.com"))
    case("saml-015-not-sub-domain", "accepted", attributes=saml_attribute("IDPEmail", "agent1@eu.contoso.com"))
    foreign = saml_attribute("IDPEmail", "agent1@fabrikam.com")
    case("saml-015-by-issuer", "rejected", ["CB-SAML-015"], attributes=foreign, options={"domain": None})
    case("saml-015-not-by-issuer", "accepted", options={"domain": None, "request": None})
    for name, issuer, outcome in [
        ("not-by-host", "http://sts.contoso.com/adfs/services/trust", "accepted"),
        ("undecided", "https://login.idp.example/tenant1", "undecided"),
    ]:
        case(f"saml-015-{name}", outcome, undecided=["CB-SAML-015"] if outcome == "undecided" else [],
             issuer=issuer, response_issuer=issuer, options={"domain": None, "issuer": issuer})


def authentication(case):
    past = {"begin": "2026-11-20T08:00:00Z", "end": "2026-11-20T09:00:00Z", "issue_instant": "2026-11-20T08:00:00Z"}
    case("saml-016-expired", "rejected", ["CB-SAML-016"], **past)
    case("saml-016-not-yet", "rejected", ["CB-SAML-016"], begin="2026-11-20T10:05:01Z", end="2026-11-20T10:20:00Z")
    case("saml-016-not-not-yet", "accepted", begin="2026-11-20T10:05:00Z", end="2026-11-20T10:20:00Z")
    case("saml-016-confirmation", "rejected", ["CB-SAML-016"], data_end="2026-11-20T09:55:00Z")
    case("saml-016-not-confirmation", "accepted", data_end="2026-11-20T09:55:01Z")
    case("saml-016-no-end", "rejected", ["CB-SAML-016"], data_end=None)
    for name, end in [
        ("no-zone", "2026-11-20T10:55:00"), ("offset", "2026-11-20T10:55:00+00:00"),
        ("leap-second", "2026-12-31T23:59:60Z"), ("negative", "-2026-11-20T10:55:00Z"),
        ("hour-24", "2026-11-20T24:00:00Z"), ("year-10000", "10000-01-01T00:00:00Z"), ("empty", ""),
    ]:
        case(f"saml-016-{name}", "rejected", ["CB-SAML-016"], end=end)
    case("saml-016-022-year-9999", "accepted", ["CB-SAML-022"], end="9999-12-31T23:59:59Z")
    case("saml-016-not-fraction", "accepted", end="2026-11-20T10:55:00.1234567Z")
    case("saml-016-issue-instant", "rejected", ["CB-SAML-016"], issue_instant="yesterday")

    case("saml-018-missing", "rejected", ["CB-SAML-018"], statements=statement(instant=None))
    case("saml-018-019-no-statement", "rejected", ["CB-SAML-018", "CB-SAML-019"], statements="<!-- none -->")
    case("saml-018-malformed", "rejected", ["CB-SAML-018"], statements=statement(instant="2026-11-20T09:59:00"))
    case("saml-018-future", "rejected", ["CB-SAML-018"], statements=statement(instant="2026-11-20T10:05:01Z"))
    case("saml-018-not-future", "accepted", statements=statement(instant="2026-11-20T10:05:00Z"))
    case("saml-018-old", "accepted", ["CB-SAML-018"], statements=statement(instant="2026-11-20T08:59:59Z"),
         options={"max_age": 3600})
    case("saml-018-not-old", "accepted", statements=statement(instant="2026-11-20T09:00:00Z"), options={"max_age": 3600})

    without = "accepted-without-mfa"
    case("saml-019-password", without, ["CB-SAML-019"], statements=statement(classes=(PASSWORD,)))
    case("saml-019-unspecified", without, ["CB-SAML-019"],
         statements=statement(classes=("urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified",)))
    case("saml-019-none", without, ["CB-SAML-019"], statements=statement(classes=()))
    case("saml-019-undecided-too", "undecided", ["CB-SAML-019"], undecided=["CB-SAML-003"],
         statements=statement(classes=(PASSWORD,)), options={
             "issuer": None, "verdicts": {"entra-saml2": "undecided", "partner-center": "rejected"}})
    email = saml_attribute("IDPEmail", "agent1@contoso.com")
    methods = saml_attribute("http://schemas.microsoft.com/claims/authnmethodsreferences", MFA)
    case("saml-020-only-attribute", without, ["CB-SAML-019", "CB-SAML-020"], attributes=email + methods,
         statements=statement(classes=(PASSWORD,)))
    case("saml-020-not-both-places", "accepted", attributes=email + methods)
    case("saml-021-two-statements", "rejected", ["CB-SAML-021"], statements=statement() + statement(classes=(PASSWORD,)))
    case("saml-021-two-references", "rejected", ["CB-SAML-021"], statements=statement(classes=(PASSWORD, MFA)))
    case("saml-022-61-minutes", "accepted", ["CB-SAML-022"], end="2026-11-20T10:59:31Z")
    case("saml-022-not-60-minutes", "accepted", end="2026-11-20T10:59:30Z")
    case("saml-022-no-session-index", "accepted", ["CB-SAML-022"], statements=statement(session=None))
    case("saml-022-no-end", "accepted", ["CB-SAML-022"], end=None)
    case("saml-023-version-1-1", "rejected", ["CB-SAML-023"], version=' Version="1.1"')
    case("saml-023-no-version", "rejected", ["CB-SAML-023"], version="")
    case("saml-023-not-other-quotes", "accepted", version=" Version='2.0'")

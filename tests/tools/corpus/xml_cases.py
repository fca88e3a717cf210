"""CB-XML, the wrappings, and signature wrapping (attacks 10, 12, 17, 18)."""

import base64
import zlib
from urllib.parse import quote

from .message import MFA, response, saml_attribute, statement
from .signing import EXC, RSA_SHA256


def deflate(data):
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return squeezer.compress(data) + squeezer.flush()


def extensions(inner):
    return f'<samlp:Extensions xmlns:x="urn:x">{inner}</samlp:Extensions>'


def nested(levels):
    """`levels` elements in one another, below Response and Extensions."""
    return extensions("<x:a>" * levels + "</x:a>" * levels)


def add(book, keys):
    good = response(keys.active)
    encodings(book, good)
    forbidden(book, good)
    limits(book, keys)
    texts(book, keys, good)
    uris(book, keys, good)
    wrapping(book, keys)
    book.add("xml-006-cut", good[:-20], "rejected", ["CB-XML-006"])
    book.add("xml-006-latin-1", good.replace("agent1@", "ägent1@").encode("latin-1"), "rejected", ["CB-XML-006"])


def encodings(book, good):
    plain = base64.b64encode(good.encode()).decode()
    squeezed = base64.b64encode(deflate(good.encode())).decode()
    url_safe = base64.urlsafe_b64encode(good.encode()).decode().rstrip("=")
    for name, content, encoding in [
        ("base64", plain, ["base64"]),
        ("base64-lines", "\n".join(plain[at:at + 76] for at in range(0, len(plain), 76)), ["base64"]),
        ("base64-deflate", squeezed, ["base64", "deflate"]),
        ("percent", quote(plain, safe=""), ["percent-encoded", "base64"]),
        ("form", f"SAMLResponse={quote(plain, safe='')}&RelayState=abc", ["form", "base64"]),
        ("redirect", f"https://login.example.com/acs?SAMLResponse={quote(squeezed, safe='')}&RelayState=abc",
         ["redirect-url", "base64", "deflate"]),
    ]:
        book.add(f"encoding-{name}", content, "accepted", encoding=encoding)
    if "-" in url_safe or "_" in url_safe:
        book.add("encoding-base64url", url_safe, "accepted", encoding=["base64url"])
    request = "../../entra/authn-request-unsigned.xml"
    for name, file in [("authn-request", request), ("authn-request-signed", request.replace("unsigned", "signed"))]:
        book.add(name, None, "not-applicable", kind="saml2-authn-request", file=file,
                 verdicts={"entra-saml2": "not-applicable"})
    for name in ("sp-metadata-global-2021.xml", "external-mfa-claims-parameter.json"):
        book.add(f"unknown-{name}", None, "", kind="unknown", file=f"../../entra/{name}", verdicts={})
    asked = (
        '<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r" Version="2.0" '
        'IssueInstant="2026-11-20T09:59:00Z"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">'
        'urn:federation:MicrosoftOnline</saml:Issuer><samlp:RequestedAuthnContext><saml:AuthnContextClassRef '
        f'xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">{MFA}/</saml:AuthnContextClassRef>'
        "</samlp:RequestedAuthnContext></samlp:AuthnRequest>"
    )
    # What a request asks for is nobody's claim.
    book.add("xml-005-authn-request", asked, "not-applicable", ["CB-XML-005"], kind="saml2-authn-request",
             verdicts={"entra-saml2": "not-applicable"})
    book.add("xml-001-authn-request", "<!DOCTYPE x>" + asked, "rejected", ["CB-XML-001"], kind="saml2-authn-request",
             verdicts={"entra-saml2": "rejected"})
    redirect = quote(base64.b64encode(deflate(asked.replace(f"{MFA}/", MFA).encode())).decode(), safe="")
    book.add("encoding-redirect-request", f"https://idp.contoso.com/saml2/sso?SAMLRequest={redirect}&RelayState=x",
             "not-applicable", kind="saml2-authn-request", encoding=["redirect-url", "base64", "deflate"],
             verdicts={"entra-saml2": "not-applicable"})


def forbidden(book, good):
    for name, content in [
        ("doctype", "<!DOCTYPE samlp:Response>" + good),
        ("entity", '<!DOCTYPE r [<!ENTITY x "y">]>' + good.replace("</saml:Issuer>", "&x;</saml:Issuer>", 1)),
        ("external-entity", '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
         + good.replace("</saml:Issuer>", "&x;</saml:Issuer>", 1)),
        ("processing-instruction", good.replace("<samlp:Status>", "<?x y?><samlp:Status>")),
        ("xinclude", good.replace("<samlp:Status>", '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="x"/><samlp:Status>')),
    ]:
        book.add(f"xml-001-{name}", content, "rejected", ["CB-XML-001"])
    book.add("xml-001-not-declaration", '<?xml version="1.0" encoding="UTF-8"?>\n' + good, "accepted")


def limits(book, keys):
    def case(name, outcome, rules, inner):
        book.add(name, response(keys.active, extensions=inner), outcome, rules)

    case("xml-002-depth", "rejected", ["CB-XML-002"], nested(31))
    case("xml-002-not-depth", "accepted", [], nested(30))
    case("xml-002-40-levels", "rejected", ["CB-XML-002"], nested(40))
    many = "".join(f' a{n}=""' for n in range(33))
    few = "".join(f' a{n}=""' for n in range(32))
    case("xml-002-attributes", "rejected", ["CB-XML-002"], extensions(f"<x:a{many}/>"))
    case("xml-002-not-attributes", "accepted", [], extensions(f"<x:a{few}/>"))
    names = "".join(f' xmlns:n{n}="urn:n"' for n in range(129))
    case("xml-002-namespaces", "rejected", ["CB-XML-002"], extensions(f"<x:a{names}/>"))
    case("xml-002-elements", "rejected", ["CB-XML-002"], extensions("<x:a/>" * 2000))
    bomb = response(keys.active, extensions=extensions(" " * 4_000_000)).encode()
    book.add("xml-002-deflate-bomb", base64.b64encode(deflate(bomb)).decode(), "rejected", ["CB-XML-002"],
             encoding=["base64", "deflate"])


def texts(book, keys, good):
    name, mail = "ABCDEG1234567890", "agent1@contoso.com"
    for label, content in [
        ("name-id", good.replace(name, "ABCDEG<!-- -->1234567890")),
        ("name-id-front", good.replace(name, f"<!-- -->{name}")),
        ("name-id-back", good.replace(name, f"{name}<!-- -->")),
        ("idp-email", good.replace(mail, "agent1@contoso<!-- -->.com")),
        ("idp-email-cdata", good.replace(mail, f"<![CDATA[{mail}]]>")),
        ("issuer", good.replace("contoso.com</saml:Issuer>", "contoso<!-- -->.com</saml:Issuer>", 1)),
        ("audience", good.replace("urn:federation:", "urn:<!-- -->federation:")),
        ("class", good.replace("claims/multipleauthn<", "claims/<!-- -->multipleauthn<")),
    ]:
        assert content != good
        book.add(f"xml-003-{label}", content, "rejected", ["CB-XML-003"])
    # The published attack: signed as one name, cut to another.
    truncated = response(keys.active, attributes=saml_attribute("IDPEmail", "admin@contoso.com<!-- -->.evil.contoso.com"))
    book.add("xml-003-signed-with-comment", truncated, "rejected", ["CB-XML-003"])
    book.add("xml-003-not-between", good.replace("<saml:Conditions", "<!-- --><saml:Conditions"), "accepted")


def uris(book, keys, good):
    def edited(label, rules, old, new):
        assert old in good
        book.add(f"xml-005-{label}", good.replace(old, new), "rejected", ["CB-XML-005", *rules])

    edited("method-https", ["CB-SAML-008"], RSA_SHA256, RSA_SHA256.replace("http:", "https:"))
    edited("digest-https", ["CB-SAML-008"], "http://www.w3.org/2001/04/xmlenc#sha256", "https://www.w3.org/2001/04/xmlenc#sha256")
    edited("c14n-https", ["CB-SAML-009"], f'"{EXC}"', f'"{EXC.replace("http:", "https:")}"')
    edited("enveloped-case", ["CB-SAML-009"], "#enveloped-signature", "#Enveloped-Signature")
    for label, wrong in [
        ("class-https", MFA.replace("http:", "https:")), ("class-slash", MFA + "/"),
        ("class-case", MFA.replace("multipleauthn", "MultipleAuthn")), ("class-space", f" {MFA} "),
    ]:
        book.add(f"xml-005-{label}", response(keys.active, statements=statement(classes=(wrong,))),
                 "accepted-without-mfa", ["CB-XML-005", "CB-SAML-019"])
    mail = saml_attribute("IDPEmail", "agent1@contoso.com")
    slip = saml_attribute("https://schemas.microsoft.com/claims/authnmethodsreferences", MFA)
    book.add("xml-005-attribute", response(keys.active, attributes=mail + slip), "accepted", ["CB-XML-005"])


def parts(xml):
    """(whole assertion, its signature, whole assertion without signature)."""
    whole = xml[xml.index("<saml:Assertion"):xml.index("</saml:Assertion>") + len("</saml:Assertion>")]
    signature = whole[whole.index("<ds:Signature"):whole.index("</ds:Signature>") + len("</ds:Signature>")]
    return whole, signature, whole.replace(signature, "")


def wrapping(book, keys):
    good = response(keys.active)
    whole, signature, bare = parts(good)
    evil = bare.replace('ID="_assertion"', 'ID="_evil"').replace("ABCDEG1234567890", "EVIL000000000000")

    def case(name, rules, content):
        assert content != good
        book.add(f"attack-10-{name}", content, "rejected", ["CB-XML-004", *rules])

    def in_assertion(inner, where="</saml:Assertion>"):
        return evil.replace(where, inner + where, 1)

    def signed_by(inner):
        """The evil assertion with the good signature, into which `inner` is put."""
        changed = signature.replace("</ds:Signature>", inner + "</ds:Signature>")
        return evil.replace("</saml:Issuer>", "</saml:Issuer>" + changed, 1)

    # Variants 1 and 2 wrap a signed response, 3 to 8 a signed assertion.
    for label, on in [("response", "response"), ("both", "both")]:
        outer = response(keys.active, on=on)
        outer_end = outer.index("</ds:Signature>") + len("</ds:Signature>")
        outer_signature = outer[outer.index("<ds:Signature"):outer_end]
        original = outer.replace(outer_signature, "", 1)
        shell = response(keys.active, on="none").replace('ID="_response"', 'ID="_evil_response"').replace(
            'ID="_assertion"', 'ID="_evil"').replace("ABCDEG1234567890", "EVIL000000000000")
        first_issuer = "</saml:Issuer>"
        as_object = outer_signature.replace(
            "</ds:Signature>", f"<ds:Object>{original}</ds:Object></ds:Signature>")
        case(f"xsw-1-{label}", ["CB-SAML-004", "CB-SAML-005"], shell.replace(first_issuer, first_issuer + as_object, 1))
        case(f"xsw-2-{label}", ["CB-SAML-004"],
             shell.replace(first_issuer, first_issuer + outer_signature + original, 1))
    case("xsw-3", ["CB-SAML-002", "CB-SAML-004"], good.replace(whole, evil + whole))
    case("xsw-4", ["CB-SAML-004"], good.replace(whole, in_assertion(whole)))
    case("xsw-5", ["CB-SAML-002"], good.replace(whole, signed_by("") + bare))
    case("xsw-6", ["CB-SAML-005"], good.replace(whole, signed_by(bare)))
    case("xsw-7", [], good.replace("<samlp:Status>", f"<samlp:Extensions>{evil}</samlp:Extensions><samlp:Status>"))
    case("xsw-7-signed-in-extensions", ["CB-SAML-004"],
         good.replace(whole, evil).replace("<samlp:Status>", f"<samlp:Extensions>{whole}</samlp:Extensions><samlp:Status>"))
    case("xsw-8", ["CB-SAML-005"], good.replace(whole, signed_by(f"<ds:Object>{bare}</ds:Object>")))
    case("same-id", [], good.replace(whole, evil.replace("_evil", "_assertion") + whole))
    case("same-id-other-name", [], good.replace("<samlp:Status>", '<samlp:Status Id="_assertion">'))
    case("reference-to-response", [], good.replace('URI="#_assertion"', 'URI="#_response"'))
    case("reference-to-whole", [], good.replace('URI="#_assertion"', 'URI=""'))
    case("reference-to-nothing", [], good.replace('URI="#_assertion"', 'URI="#_nothing"'))
    case("reference-outside", [], good.replace('URI="#_assertion"', 'URI="file:///etc/passwd"'))

"""One WS-Federation answer with every part replaceable."""

from .message import ISSUER, MFA, attribute
from .signing import sign, template

REALM = "urn:federation:MicrosoftOnline"
SAML = "urn:oasis:names:tc:SAML:1.0:assertion"
TRUST = "http://schemas.xmlsoap.org/ws/2005/02/trust"
PASSWORD = "urn:oasis:names:tc:SAML:1.0:am:password"
UPN = ("http://schemas.xmlsoap.org/claims", "UPN")
IMMUTABLE = ("http://schemas.microsoft.com/LiveID/Federation/2008/05", "ImmutableID")
REFERENCES = ("http://schemas.microsoft.com/claims", "authnmethodsreferences")
IDENTITY = "http://schemas.microsoft.com/ws/2008/06/identity/claims"
METHOD = (IDENTITY, "authenticationmethod")
INSTANT = (IDENTITY, "authenticationinstant")
NETWORK = ("http://schemas.microsoft.com/ws/2012/01", "insidecorporatenetwork")
ID = "ABCDEG1234567890"
WHEN = "2026-11-20T09:59:00Z"


def claim(name, *values):
    inner = "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
    return f'<saml:Attribute AttributeName="{name[1]}" AttributeNamespace="{name[0]}">{inner}</saml:Attribute>'


def claims(upn="agent1@contoso.com", immutable=ID, references=(MFA,), methods=(), instant=WHEN, more=""):
    """The usual attributes; None leaves one out."""
    listed = ""
    listed += claim(UPN, upn) if upn is not None else ""
    listed += claim(IMMUTABLE, immutable) if immutable is not None else ""
    listed += claim(REFERENCES, *references) if references else ""
    listed += claim(METHOD, *methods) if methods else ""
    listed += claim(INSTANT, instant) if instant is not None else ""
    return listed + more


def assertion(signature="", id="_assertion", issuer=ISSUER, major="1", minor="1", name_id=ID, method=MFA,
              begin="2026-11-20T09:55:00Z", end="2026-11-20T10:55:00Z", audience=REALM, issued="2026-11-20T09:59:30Z",
              attributes=None, confirmation="urn:oasis:names:tc:SAML:1.0:cm:bearer", signature_first=False, statement=True):
    named = "" if name_id is None else (
        f'<saml:NameIdentifier Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">{name_id}</saml:NameIdentifier>')
    subject = (
        f"<saml:Subject>{named}<saml:SubjectConfirmation><saml:ConfirmationMethod>{confirmation}"
        "</saml:ConfirmationMethod></saml:SubjectConfirmation></saml:Subject>"
    )
    conditions = (
        "" if audience is None else
        f"<saml:AudienceRestrictionCondition><saml:Audience>{audience}</saml:Audience></saml:AudienceRestrictionCondition>"
    )
    said = (
        f'<saml:AuthenticationStatement{attribute("AuthenticationMethod", method)} AuthenticationInstant="{WHEN}">'
        f"{subject}</saml:AuthenticationStatement>"
    ) if statement else ""
    first, last = (signature, "") if signature_first else ("", signature)
    return (
        f'<saml:Assertion xmlns:saml="{SAML}" MajorVersion="{major}" MinorVersion="{minor}" AssertionID="{id}" '
        f'Issuer="{issuer}" IssueInstant="{issued}">{first}'
        f'<saml:Conditions{attribute("NotBefore", begin)}{attribute("NotOnOrAfter", end)}>{conditions}</saml:Conditions>'
        f"<saml:AttributeStatement>{subject}{claims() if attributes is None else attributes}</saml:AttributeStatement>"
        f"{said}{last}</saml:Assertion>"
    )


def envelope(inner, applies_to=REALM, expires="2026-11-20T10:55:00Z", token_type=SAML, trust=TRUST):
    utility = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
    applies = "" if applies_to is None else (
        '<wsp:AppliesTo xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy"><wsa:EndpointReference '
        f'xmlns:wsa="http://www.w3.org/2005/08/addressing"><wsa:Address>{applies_to}</wsa:Address>'
        "</wsa:EndpointReference></wsp:AppliesTo>"
    )
    kind = "" if token_type is None else f"<t:TokenType>{token_type}</t:TokenType>"
    return (
        f'<t:RequestSecurityTokenResponse xmlns:t="{trust}"><t:Lifetime><wsu:Created xmlns:wsu="{utility}">'
        f'2026-11-20T09:59:30Z</wsu:Created><wsu:Expires xmlns:wsu="{utility}">{expires}</wsu:Expires></t:Lifetime>'
        f"{applies}<t:RequestedSecurityToken>{inner}</t:RequestedSecurityToken>{kind}"
        "<t:RequestType>http://schemas.xmlsoap.org/ws/2005/02/trust/Issue</t:RequestType>"
        "<t:KeyType>http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey</t:KeyType></t:RequestSecurityTokenResponse>"
    )


OUTER = ("applies_to", "expires", "token_type", "trust")


def answer(key, shape=None, signed=True, **parts):
    """An answer with a signed assertion in it."""
    outer = {name: parts.pop(name) for name in OUTER if name in parts}
    signature = template("#_assertion", **(shape or {})) if signed else ""
    xml = envelope(assertion(signature, **parts), **outer)
    return sign(xml, key, "Assertion") if signed else xml

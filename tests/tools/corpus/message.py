"""One SAML 2.0 response with every part replaceable."""

from .signing import sign, template

NOW = "2026-11-20T10:00:00Z"
ISSUER = "https://idp.contoso.com/contoso.com"
REQUEST = "_1e089e5c-a976-4881-af74-3b92c89e7e2c"  # tests/fixtures/entra/authn-request-unsigned.xml
ACS = "https://login.microsoftonline.com/login.srf"
AUDIENCE = "urn:federation:MicrosoftOnline"
MFA = "http://schemas.microsoft.com/claims/multipleauthn"
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
SUCCESS = '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>'


def attribute(name, value):
    """` name="value"`, or nothing."""
    return "" if value is None else f' {name}="{value}"'


def saml_attribute(name, *values):
    inner = "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
    return f'<saml:Attribute Name="{name}">{inner}</saml:Attribute>'


def statement(instant="2026-11-20T09:59:00Z", session="_assertion", classes=(MFA,)):
    references = "".join(
        f"<saml:AuthnContextClassRef>{one}</saml:AuthnContextClassRef>" for one in classes
    )
    return (
        f"<saml:AuthnStatement{attribute('AuthnInstant', instant)}{attribute('SessionIndex', session)}>"
        f"<saml:AuthnContext>{references}</saml:AuthnContext></saml:AuthnStatement>"
    )


def restriction(*audiences):
    inner = "".join(f"<saml:Audience>{one}</saml:Audience>" for one in audiences)
    return f"<saml:AudienceRestriction>{inner}</saml:AudienceRestriction>"


def assertion(
    signature="",
    id="_assertion",
    issuer=ISSUER,
    issue_instant="2026-11-20T09:59:30Z",
    name_id="ABCDEG1234567890",
    name_id_format=PERSISTENT,
    recipient=ACS,
    data_in_response_to=REQUEST,
    data_end="2026-11-20T10:04:30Z",
    confirmation=None,
    begin="2026-11-20T09:55:00Z",
    end="2026-11-20T10:55:00Z",
    audience=None,
    statements=None,
    attributes=None,
    namespace="",
):
    if confirmation is None:
        confirmation = (
            '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
            f"<saml:SubjectConfirmationData{attribute('InResponseTo', data_in_response_to)}"
            f"{attribute('NotOnOrAfter', data_end)}{attribute('Recipient', recipient)}/></saml:SubjectConfirmation>"
        )
    audience = restriction(AUDIENCE) if audience is None else audience
    statements = statement() if statements is None else statements
    attributes = saml_attribute("IDPEmail", "agent1@contoso.com") if attributes is None else attributes
    listed = f"<saml:AttributeStatement>{attributes}</saml:AttributeStatement>" if attributes else ""
    return (
        f'<saml:Assertion{namespace} ID="{id}" Version="2.0"{attribute("IssueInstant", issue_instant)}>'
        f"<saml:Issuer>{issuer}</saml:Issuer>{signature}"
        f"<saml:Subject><saml:NameID{attribute('Format', name_id_format)}>{name_id}</saml:NameID>{confirmation}</saml:Subject>"
        f"<saml:Conditions{attribute('NotBefore', begin)}{attribute('NotOnOrAfter', end)}>{audience}</saml:Conditions>"
        f"{statements}{listed}</saml:Assertion>"
    )


def envelope(
    inner,
    signature="",
    id="_response",
    response_issuer=ISSUER,
    destination=ACS,
    in_response_to=REQUEST,
    status=SUCCESS,
    extensions="",
    version=' Version="2.0"',
):
    issuer = f"<saml:Issuer>{response_issuer}</saml:Issuer>" if response_issuer else ""
    return (
        '<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" '
        f'xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{id}"{version} '
        f'IssueInstant="2026-11-20T09:59:30Z"{attribute("Destination", destination)}'
        f'{attribute("InResponseTo", in_response_to)}>{issuer}{signature}{extensions}{status}{inner}</samlp:Response>'
    )


OUTER = ("response_issuer", "destination", "in_response_to", "status", "extensions", "version")


def response(key, on="assertion", shape=None, hmac_with=None, **parts):
    """A response signed on `assertion`, `response`, `both` or `none`."""
    outer = {name: parts.pop(name) for name in OUTER if name in parts}
    shape = shape or {}
    inner_signature = template("#_assertion", **shape) if on in ("assertion", "both") else ""
    outer_signature = template("#_response", **shape) if on in ("response", "both") else ""
    xml = envelope(assertion(inner_signature, **parts), outer_signature, **outer)
    if inner_signature:
        xml = sign(xml, key, "Assertion", hmac_with)
    if outer_signature:
        xml = sign(xml, key, "Response", hmac_with)
    return xml

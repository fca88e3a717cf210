"""The independent signer: keys by openssl, XML signatures by xmlsec1, tokens by openssl.

Keys live in a temporary folder and are gone when the script ends; only
certificates and signed messages leave it.
"""

import base64
import datetime
import json
import re
import subprocess
import tempfile
from pathlib import Path

DS = "http://www.w3.org/2000/09/xmldsig#"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = DS + "enveloped-signature"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, check=False, **options)
    if done.returncode != 0:
        raise SystemExit(f"{command}: {done.stderr.decode()}")
    return done.stdout


class Key:
    """A throw-away key with a self-signed certificate."""

    def __init__(self, folder, name, *algorithm):
        self.private = folder / f"{name}.key"
        self.certificate = folder / f"{name}.pem"
        run("openssl", "genpkey", *algorithm, "-out", self.private)
        run(
            "openssl", "req", "-new", "-x509", "-key", self.private, "-days", "7300",
            "-subj", f"/CN=inspector corpus {name}", "-out", self.certificate,
        )
        self.der = run("openssl", "x509", "-in", self.certificate, "-outform", "DER")


def rsa(bits):
    return ("-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}")


class Keys:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name)
        self.active = Key(path, "active", *rsa(2048))
        self.next = Key(path, "next", *rsa(3072))
        self.other = Key(path, "other", *rsa(2048))
        self.short = Key(path, "short", *rsa(1024))
        self.curve = Key(path, "curve", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")

    def bound(self, key, which):
        """The begin (`start`) or `end` of a certificate, shifted by days, as text."""
        text = run("openssl", "x509", "-in", key.certificate, "-noout", f"-{which}date").decode().strip().split("=")[1]
        at = datetime.datetime.strptime(text, "%b %d %H:%M:%S %Y GMT")
        return lambda days: (at + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def template(
    reference,
    method=RSA_SHA256,
    digest=SHA256,
    c14n=EXC,
    transforms=(ENVELOPED, EXC),
    key_info="<ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo>",
    references=None,
    prefixes=None,
):
    """An empty signature for xmlsec1 to fill; `references` replaces the one reference."""
    inner = f'<ec:InclusiveNamespaces xmlns:ec="{EXC}" PrefixList="{prefixes}"/>' if prefixes else ""
    steps = "".join(
        f'<ds:Transform Algorithm="{step}">{inner if step == EXC else ""}</ds:Transform>'
        for step in transforms
    )
    steps = f"<ds:Transforms>{steps}</ds:Transforms>" if transforms else ""
    one = (
        '<ds:Reference URI="{}">' + steps
        + f'<ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue/></ds:Reference>'
    )
    listed = "".join(one.format(uri) for uri in (references or [reference]))
    return (
        f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>'
        f'<ds:CanonicalizationMethod Algorithm="{c14n}"/><ds:SignatureMethod Algorithm="{method}"/>'
        f"{listed}</ds:SignedInfo><ds:SignatureValue/>{key_info}</ds:Signature>"
    )


def sign(xml, key, carrier, hmac_with=None):
    """Fills the signature template directly inside the element `carrier`."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.xml", Path(folder) / "out.xml"
        source.write_text(xml)
        with_key = (
            ("--hmackey", hmac_with) if hmac_with
            else ("--privkey-pem", f"{key.private},{key.certificate}")
        )
        path = f"//*[local-name()='{carrier}']/*[local-name()='Signature']"
        run(
            "xmlsec1", "--sign", *with_key,
            "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response",
            "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
            "--id-attr:AssertionID", "urn:oasis:names:tc:SAML:1.0:assertion:Assertion",
            "--node-xpath", path, "--output", target, source,
        )
        signed = target.read_text()
    return re.sub(r"^<\?xml[^>]*\?>\s*", "", signed).strip()


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims, key, header=None, payload=None):
    """A compact token, RS256 by openssl."""
    header = header or {"typ": "JWT", "alg": "RS256", "kid": "active"}
    body = payload if payload is not None else json.dumps(claims, separators=(",", ":")).encode()
    signed = f"{b64url(json.dumps(header, separators=(',', ':')).encode())}.{b64url(body)}"
    signature = run("openssl", "dgst", "-sha256", "-sign", key.private, input=signed.encode())
    return f"{signed}.{b64url(signature)}"


def jwk(key, x5c=None):
    """One key of a set; `x5c` is the key whose certificate goes in."""
    modulus = run("openssl", "rsa", "-in", key.private, "-noout", "-modulus").decode()
    n = bytes.fromhex(modulus.strip().split("=")[1])
    chain = {"x5c": [base64.b64encode(x5c.der).decode()]} if x5c else {}
    return {"kty": "RSA", "use": "sig", "kid": "active", "n": b64url(n), "e": "AQAB", **chain}

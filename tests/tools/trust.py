"""MSAL for Python gets a token at our WS-Trust door, over TLS, from a test authority's hand.

The authority stands here for login.microsoftonline.com: it says which realm a name is of, and
takes the assertion that our door issued (grant saml1_1-bearer), which xmlsec1 verifies with the
certificate that the operator would register. MSAL is what pip installs, unchanged; only names
are looked up here, so that every connection ends on this machine.
"""

import base64
import contextlib
import http.server
import json
import pathlib
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import xml.etree.ElementTree as ET
from datetime import datetime, timezone

import msal
import requests
import urllib3.util.connection
from msal.mex import Mex
from msal.wstrust_request import send_request

AUTHORITY, IDP = "login.microsoftonline.com", "idp.contoso.com"
ENTRA = "urn:federation:MicrosoftOnline"
SAML = "{urn:oasis:names:tc:SAML:1.0:assertion}"
PASSWORD_METHOD = "urn:oasis:names:tc:SAML:1.0:am:password"
CLIENT = "00000000-0000-0000-0000-000000000001"
PASSWORD = "correct horse battery & <staple>"

where = {}  # a name: a port of this machine
asked = []  # what the authority was asked


def connect(address, *arguments, _real=urllib3.util.connection.create_connection, **named):
    name, port = address
    if name not in where or port != 443:
        raise AssertionError(f"a connection to {name}:{port} would leave this machine")
    return _real(("127.0.0.1", where[name]), *arguments, **named)


urllib3.util.connection.create_connection = connect


class Authority(http.server.BaseHTTPRequestHandler):
    """The little of Entra that MSAL needs."""

    world = None

    def log_message(self, *_):
        pass

    def say(self, body, status=200):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        asked.append(path)
        here = f"https://{AUTHORITY}/contoso"
        if path.endswith("/.well-known/openid-configuration"):
            self.say({
                "issuer": f"{here}/v2.0",
                "authorization_endpoint": f"{here}/authorize",
                "token_endpoint": f"{here}/token",
                "device_authorization_endpoint": f"{here}/devicecode",
            })
        elif path == "/common/discovery/instance":
            self.say({"tenant_discovery_endpoint": f"{here}/.well-known/openid-configuration",
                      "metadata": []})
        elif path.startswith("/common/userrealm/"):
            self.say({
                "account_type": "Federated",
                "federation_protocol": "WSTrust",
                "federation_metadata_url": f"https://{IDP}/trust/mex",
                "federation_active_auth_url": f"https://{IDP}/trust/2005/usernamemixed",
                "cloud_audience_urn": ENTRA,
            })
        else:
            self.say({"error": f"no {path} here"}, 404)

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        form = urllib.parse.parse_qs(self.rfile.read(length).decode())
        asked.append(form["grant_type"][0])
        try:
            assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:saml1_1-bearer"], form
            text = form["assertion"][0]
            token = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            judge(token, self.world)
        except Exception as error:  # what is wrong reaches the test as the library's answer
            self.say({"error": "invalid_grant", "error_description": repr(error)}, 400)
            return
        self.say({"token_type": "Bearer", "expires_in": 3600, "access_token": "an access token",
                  "scope": form["scope"][0]})


def judge(token, world):
    """What Entra would look at, by tools that are not ours."""
    folder = world["folder"]
    file = folder / "assertion.xml"
    file.write_bytes(token)
    verified = subprocess.run(
        ["xmlsec1", "--verify", "--enabled-key-data", "rsa", "--enabled-reference-uris", "same-doc",
         "--id-attr:AssertionID", "urn:oasis:names:tc:SAML:1.0:assertion:Assertion",
         "--pubkey-cert-pem", folder / "sts.pem", file],
        capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr
    root = ET.fromstring(token)
    assert root.tag == f"{SAML}Assertion", root.tag
    assert root.get("Issuer") == f"https://{IDP}/contoso.com", root.get("Issuer")
    assert root[-1].tag.endswith("}Signature"), "the signature is the last child"
    conditions = root.find(f"{SAML}Conditions")
    now = datetime.now(timezone.utc).isoformat()
    assert conditions.get("NotBefore") < now < conditions.get("NotOnOrAfter"), conditions.attrib
    audiences = [element.text for element in root.iter(f"{SAML}Audience")]
    assert audiences == [ENTRA], audiences
    values = {a.get("AttributeName"): [value.text for value in a]
              for a in root.iter(f"{SAML}Attribute")}
    assert values == {"UPN": [world["upn"]], "ImmutableID": [world["immutable_id"]]}, values
    methods = [s.get("AuthenticationMethod") for s in root.iter(f"{SAML}AuthenticationStatement")]
    assert methods == [PASSWORD_METHOD], methods
    no_mfa(token.decode())


def no_mfa(text):
    """In none of the encodings, not even as a part of a word."""
    for word in ["multipleauthn", "wiaormultiauthn", "authnmethodsreferences",
                 "authenticationmethodsreferences", "multifactor", "TimeSyncToken", "mfa"]:
        assert word.lower() not in text.lower(), f"{word} in {text}"


def run(world, *arguments, **named):
    done = subprocess.run([world["program"], *arguments], cwd=world["folder"], env=world["env"],
                          capture_output=True, text=True, check=False, **named)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def certificates(folder):
    """A root of our own, and one certificate under it with both names."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "root.key", "-out", "root.pem", "-days", "2",
            "-subj", "/CN=test root")
    openssl("req", *curve, "-keyout", "tls.key", "-out", "tls.csr", "-subj", "/CN=test")
    (folder / "names").write_text(f"subjectAltName=DNS:{AUTHORITY},DNS:{IDP}\n")
    openssl("x509", "-req", "-in", "tls.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "2",
            "-extfile", "names", "-out", "tls.pem")
    (folder / "tls.key").chmod(0o600)


@contextlib.contextmanager
def authority(world):
    Authority.world = world
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Authority)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(world["folder"] / "tls.pem", world["folder"] / "tls.key")
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    where[AUTHORITY] = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()


@contextlib.contextmanager
def idp(world, **more):
    environment = {**world["env"], "CLAIMBRIDGE_LISTEN": "127.0.0.1:0",
                   "CLAIMBRIDGE_TLS__CERTIFICATE_FILE": "tls.pem",
                   "CLAIMBRIDGE_TLS__PRIVATE_KEY_FILE": "tls.key", **more}
    with open(world["folder"] / "log", "a", encoding="utf-8") as log:
        server = subprocess.Popen([world["program"], "serve"], cwd=world["folder"],
                                  env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            line = server.stdout.readline()
            where[IDP] = int(re.search(r"is served on .*:(\d+)\.", line)[1])
            yield
        finally:
            server.terminate()
            # It waits for requests that are under way, and for nothing else.
            server.wait(timeout=60)


def http_client(world):
    """MSAL's own kind of client, which believes the test's root and no variable or proxy."""
    client = requests.Session()
    client.trust_env = False
    client.verify = str(world["folder"] / "root.pem")
    return client


def msal_token(world, password, upn=None):
    client = msal.PublicClientApplication(
        CLIENT, authority=f"https://{AUTHORITY}/contoso", http_client=http_client(world))
    return client.acquire_token_by_username_password(
        upn or world["upn"], password, scopes=["https://graph.microsoft.com/.default"])


def msal_refused(world, password, upn=None):
    try:
        token = msal_token(world, password, upn)
    except RuntimeError as error:
        return str(error)
    raise AssertionError(f"a token was issued: {token}")


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        world = {"folder": folder, "program": str(pathlib.Path(program).resolve()),
                 "upn": "agent1@contoso.com", "env": {"CLAIMBRIDGE_TRUST__ENABLED": "true"}}
        certificates(folder)
        run(world, "init", "--public-url", f"https://{IDP}")
        run(world, "migrate")
        run(world, "domain", "add", "contoso.com")
        # Entra sends programs only for domains that speak WS-Federation.
        with (folder / "claimbridge.toml").open("a") as settings:
            settings.write('\n[[domain]]\nname = "contoso.com"\nprotocol = "wsFed"\n')
        run(world, "user", "add", world["upn"], "--name", "Agent One", "--password-stdin",
            input=PASSWORD + "\n")
        shown = json.loads(run(world, "user", "show", world["upn"], "--json"))
        world["immutable_id"] = shown["immutable_id"]
        made = json.loads(run(world, "user", "app-password", "add", world["upn"],
                              "--label", "MSAL", "--json"))
        (folder / "sts.pem").write_text(run(world, "keys", "export-certificate"))

        with authority(world):
            with idp(world):
                by_application_password(world, made["password"])
            with idp(world, CLAIMBRIDGE_TRUST__PASSWORD="own"):
                # Somebody without a second factor has a first password only.
                refused = msal_refused(world, PASSWORD)
                assert "FailedAuthentication" in refused, refused
            with idp(world, CLAIMBRIDGE_TRUST__ENABLED="false"):
                nothing_while_closed(world, made["password"])
    print("MSAL", msal.__version__, "gets tokens by WS-Trust 1.3 and 2005; xmlsec1 verifies them")


def by_application_password(world, password):
    asked.clear()
    answer = msal_token(world, password)
    assert answer.get("access_token") == "an access token", answer
    assert asked[-1] == "urn:ietf:params:oauth:grant-type:saml1_1-bearer", asked

    # The older version, by the library's own reader of what the description says.
    http = http_client(world)
    document = http.get(f"https://{IDP}/trust/mex")
    assert document.status_code == 200, document.text
    mex = Mex(document.text)
    found = mex.get_wstrust_username_password_endpoint()
    assert found == {"address": f"https://{IDP}/trust/13/usernamemixed", "action": Mex.ACTION_13}
    endpoints = mex._get_endpoints(mex._get_bindings(), mex._get_username_password_policy_ids())
    assert {"address": f"https://{IDP}/trust/2005/usernamemixed",
            "action": Mex.ACTION_2005} in endpoints, endpoints
    assert len(endpoints) == 2, endpoints
    older = send_request(world["upn"], password, ENTRA, f"https://{IDP}/trust/2005/usernamemixed",
                         None, http)
    assert older["type"] == "urn:oasis:names:tc:SAML:1.0:assertion", older["type"]
    judge(older["token"], world)

    # What is wrong is the library's error, and does not tell people apart.
    wrong = msal_refused(world, "a wrong password")
    assert "FailedAuthentication" in wrong, wrong
    for again in [msal_refused(world, PASSWORD), msal_refused(world, ""),
                  msal_refused(world, password, "nobody@contoso.com"),
                  msal_refused(world, password, "agent1@fabrikam.com")]:
        assert again == wrong, (again, wrong)
    other = send_error(world, http, password, "urn:federation:microsoftonline")
    assert "InvalidScope" in other, other

    listed = json.loads(run(world, "user", "app-password", "list", world["upn"], "--json"))
    assert listed[0]["last_used_at"], listed
    run(world, "user", "app-password", "revoke", world["upn"], listed[0]["id"])
    assert msal_refused(world, password) == wrong, "revoked"


def send_error(world, http, password, audience):
    try:
        send_request(world["upn"], password, audience, f"https://{IDP}/trust/13/usernamemixed",
                     None, http)
    except RuntimeError as error:
        return str(error)
    raise AssertionError("a token for another audience")


def nothing_while_closed(world, password):
    try:
        answer = msal_token(world, password)
    except Exception as error:
        assert "404" in repr(error), repr(error)
    else:
        raise AssertionError(f"a token at a closed door: {answer}")


main(sys.argv[1])

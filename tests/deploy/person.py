"""A person with a browser and a code generator, as far as the tests of deploy/ need one.

The browser follows redirects within a site, keeps cookies by host, fills forms by the names and
`autocomplete` tokens that interfaces.md promises, and never runs a script. All names are this
machine: the tests have a network of their own.
"""

import base64
import hashlib
import hmac
import html.parser
import http.client
import ssl
import struct
import time
import urllib.parse
import zlib


class Page(html.parser.HTMLParser):
    def __init__(self, url, status, headers, body):
        super().__init__()
        self.url, self.status, self.headers, self.body = url, status, headers, body
        self.forms, self.links, self.secret, self.text = [], [], "", ""
        self._in_secret = False
        if "html" in (headers.get("content-type") or ""):
            self.feed(body)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "form":
            self.forms.append({"action": attributes.get("action", ""), "inputs": {}, "tokens": {}})
        elif tag == "input" and self.forms:
            name = attributes.get("name")
            self.forms[-1]["inputs"][name] = attributes.get("value") or ""
            self.forms[-1]["tokens"][name] = attributes.get("autocomplete")
        elif tag == "a":
            self.links.append((attributes.get("class"), attributes.get("href")))
        elif tag == "p" and attributes.get("class") == "secret":
            self._in_secret = True

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        if tag == "p":
            self._in_secret = False

    def handle_data(self, data):
        self.text += data
        if self._in_secret:
            self.secret += data

    def form(self, *names):
        """The first form with all of these inputs."""
        return next((form for form in self.forms if all(n in form["inputs"] for n in names)), None)


class Browser:
    def __init__(self, trusted=None, source=None):
        self.jar = {}
        self.context = ssl.create_default_context(cafile=trusted) if trusted else None
        self.source = source

    def request(self, method, url, body=None, headers=None):
        parts = urllib.parse.urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        extra = {"context": self.context} if parts.scheme == "https" else {}
        source = (self.source, 0) if self.source else None
        connection = kind(parts.hostname, port, timeout=30, source_address=source, **extra)
        cookies = self.jar.setdefault(parts.hostname, {})
        sent = dict(headers or {})
        if cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
            sent["Origin"] = f"{parts.scheme}://{parts.netloc}"
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        connection.request(method, target, body, sent)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        for cookie in answer.headers.get_all("set-cookie") or []:
            pair, _, attributes = cookie.partition(";")
            name, _, value = pair.partition("=")
            if "max-age=0" in attributes.lower():
                cookies.pop(name, None)
            else:
                cookies[name] = value
        connection.close()
        return Page(url, answer.status, answer.headers, text)

    def get(self, url, headers=None):
        return self.follow(self.request("GET", url, None, headers))

    def post(self, url, fields):
        return self.follow(self.request("POST", url, urllib.parse.urlencode(fields)))

    def follow(self, page):
        for _ in range(10):
            to = page.headers.get("location")
            if page.status not in (301, 302, 303, 307, 308) or not to:
                return page
            page = self.request("GET", urllib.parse.urljoin(page.url, to))
        raise AssertionError(f"too many redirects, last {page.url}")

    def submit(self, page, form, **values):
        fields = form["inputs"] | values
        return self.post(urllib.parse.urljoin(page.url, form["action"]), fields)


class Person:
    """Someone with a password, and, once enrolled, a code generator."""

    def __init__(self, browser, upn, password):
        self.browser, self.upn, self.password = browser, upn, password
        self.secret, self.step = None, 0

    def code(self):
        """A code that was not used yet. One step before and after now is good (RFC 6238)."""
        now = int(time.time()) // 30
        self.step = max(self.step + 1, now - 1)
        while self.step > int(time.time()) // 30 + 1:
            time.sleep(0.2)  # until the next step begins: nobody has a code before that
        digest = hmac.new(self.secret, struct.pack(">Q", self.step), hashlib.sha1).digest()
        at = digest[-1] & 15
        return str((struct.unpack(">I", digest[at : at + 4])[0] & 0x7FFFFFFF) % 10**6).zfill(6)

    def walk(self, page, access_pass=None, until=None):
        """Does what each page asks for, until `until(page)`, or until a page asks nothing."""
        for _ in range(25):
            if until and until(page):
                return page
            if page.status != 200:
                raise AssertionError(f"{page.url}: {page.status}\n{page.text}")
            new_password = page.form("password", "again")
            if (form := page.form("SAMLResponse") or page.form("SAMLRequest")) is not None:
                page = self.browser.submit(page, form)
            elif (form := page.form("pass")) is not None and access_pass:
                page = self.browser.submit(page, form, username=self.upn, **{"pass": access_pass})
                access_pass = None
            elif new_password is not None:
                page = self.browser.submit(
                    page, new_password, password=self.password, again=self.password)
            elif page.secret and page.form("code"):
                letters = "".join(page.secret.split())
                self.secret = base64.b32decode(letters + "=" * (-len(letters) % 8))
                page = self.browser.submit(page, page.form("code"), code=self.code())
            elif (form := page.form("password")) is not None:
                if access_pass:
                    # As a person without a password does: by the link below the form.
                    link = next(href for _, href in page.links if href and "pass" in href)
                    page = self.browser.get(urllib.parse.urljoin(page.url, link))
                else:
                    page = self.browser.submit(
                        page, form, username=self.upn, password=self.password)
            elif (form := page.form("up_to")) is not None:
                page = self.browser.submit(page, form)
            elif (form := page.form("kind")) is not None:
                form = next(f for f in page.forms if f["inputs"].get("kind") == "totp")
                page = self.browser.submit(page, form)
            elif (form := page.form("code")) is not None:
                page = self.browser.submit(page, form, code=self.code())
            elif any(css == "button" for css, _ in page.links):
                link = next(href for css, href in page.links if css == "button")
                page = self.browser.get(urllib.parse.urljoin(page.url, link))
            else:
                return page
        raise AssertionError(f"it does not end: {page.url}\n{page.text}")


def authn_request(idp, entity_id, relay_state="state", number=1):
    """An address as Entra sends a browser to it (SAML 2.0, redirect binding)."""
    instant = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    xml = (
        f'<samlp:AuthnRequest ID="_1e089e5c-a976-4881-af74-{number:012x}" Version="2.0"'
        f' IssueInstant="{instant}" xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol">'
        f'<Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">{entity_id}</Issuer>'
        '<samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"/>'
        "</samlp:AuthnRequest>")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = base64.b64encode(deflate.compress(xml.encode()) + deflate.flush()).decode()
    query = urllib.parse.urlencode({"SAMLRequest": packed, "RelayState": relay_state})
    return f"{idp}/saml2/sso?{query}"


def answer_of(page):
    """The XML of the response that a page would send on."""
    form = page.form("SAMLResponse")
    return base64.b64decode(form["inputs"]["SAMLResponse"]).decode()

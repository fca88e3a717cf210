#!/usr/bin/python3
"""The proxies of deploy/proxy, for real: nginx, HAProxy and Caddy before a running server.

Through each: the sign-in page is reached with Entra's state of 8 KiB in the address and in the
answer, a stranger's X-Forwarded-For changes nothing, and what is counted is the browser's own
address. The files are used as they stand; only Caddy is told to make its certificate itself.
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from machine import DEPLOY, Machine, binary, done, enter, name_hosts, run, wait_until  # noqa: E402
from person import Browser, authn_request  # noqa: E402

HOST = "idp.contoso.com"
IDP = f"https://{HOST}"
LIMIT = 12

enter()
name_hosts(HOST)
machine = Machine()  # for its folder that is thrown away, and its certificate authority
authority = machine.certificate_authority()
machine.certificate(HOST, "/etc/chain.pem", "/etc/key.pem")
chain, key = (open(machine.inside(path), encoding="utf-8").read()
              for path in ("/etc/chain.pem", "/etc/key.pem"))
# What the files name, in this process's own view of the machine.
for folder in ("/etc/ssl", "/var/log/nginx", "/var/lib/nginx", "/etc/nginx/conf.d"):
    os.makedirs(folder, exist_ok=True)
run("mount", "-t", "tmpfs", "tmpfs", "/etc/ssl")
os.makedirs("/etc/ssl/idp.contoso.com")
for folder in ("/var/log/nginx", "/var/lib/nginx", "/etc/nginx/conf.d", "/run"):
    run("mount", "-t", "tmpfs", "tmpfs", folder)
for name, text in (("fullchain.pem", chain), ("privkey.pem", key), ("haproxy.pem", chain + key)):
    with open(f"/etc/ssl/idp.contoso.com/{name}", "w", encoding="utf-8") as file:
        file.write(text)

NGINX = f"""
daemon off;
worker_processes 1;
error_log stderr warn;
pid /run/nginx.pid;
events {{ worker_connections 256; }}
http {{ include {DEPLOY}/proxy/nginx.conf; }}
"""
with open(f"{machine.work}/nginx.conf", "w", encoding="utf-8") as file:
    file.write(NGINX)
with open(f"{machine.work}/Caddyfile", "w", encoding="utf-8") as file:
    text = open(f"{DEPLOY}/proxy/Caddyfile", encoding="utf-8").read()
    assert "{\n\tservers" in text
    file.write(text.replace("{\n\tservers", "{\n\tlocal_certs\n\tskip_install_trust\n\tadmin off\n\tservers"))

caddy_home = {"PATH": os.environ["PATH"], "HOME": machine.work, "XDG_DATA_HOME": machine.work}
PROXIES = {
    "nginx": (["nginx", "-t", "-c", f"{machine.work}/nginx.conf"],
              ["nginx", "-c", f"{machine.work}/nginx.conf"]),
    "haproxy": (["haproxy", "-c", "-f", f"{DEPLOY}/proxy/haproxy.cfg"],
                ["haproxy", "-f", f"{DEPLOY}/proxy/haproxy.cfg"]),
    "caddy": (["caddy", "validate", "--adapter", "caddyfile", "--config", f"{DEPLOY}/proxy/Caddyfile"],
              ["caddy", "run", "--adapter", "caddyfile", "--config", f"{machine.work}/Caddyfile"]),
}


def serve(folder):
    """A server with a database of its own behind the proxy."""
    os.makedirs(folder)
    settings = {
        "CLAIMBRIDGE_PUBLIC_URL": IDP,
        "CLAIMBRIDGE_DATABASE_URL": f"sqlite://{folder}/claimbridge.db",
        "CLAIMBRIDGE_MASTER_KEY": os.urandom(32).hex(),
        "CLAIMBRIDGE_POLICY__TRUSTED_PROXIES": "127.0.0.1",
        "CLAIMBRIDGE_POLICY__OPEN_ATTEMPTS_PER_SOURCE": str(LIMIT),
        "CLAIMBRIDGE_DOMAIN__0__NAME": "contoso.com",
    }
    process = machine.start([binary(), "serve", "--migrate"], "serve.log", env=settings, cwd=folder)
    machine.started(process, "http://127.0.0.1:8080/readyz")
    return process


def begin(source, number, state="short", headers=None):
    browser = Browser(trusted=trusted, source=source)
    address = authn_request(IDP, "urn:federation:MicrosoftOnline", state, number)
    return browser.get(address, headers)


for name, (check, start) in PROXIES.items():
    said = subprocess.run(check, capture_output=True, text=True, env=caddy_home)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "warn" not in (said.stdout + said.stderr).lower() or name == "caddy", said.stderr
    server = serve(f"{machine.work}/{name}")
    proxy = machine.start(start, f"{name}.log", env=caddy_home)
    trusted = authority
    if name == "caddy":
        trusted = f"{machine.work}/caddy/pki/authorities/local/root.crt"
        wait_until("Caddy's certificate", lambda: os.path.exists(trusted))

    def is_up():
        assert proxy.poll() is None, open(proxy.log, encoding="utf-8").read()
        try:
            return Browser(trusted=trusted).request("GET", f"{IDP}/healthz").status == 200
        except OSError:
            return False
    wait_until(f"{name} before the server", is_up)

    # Over http people are sent to https.
    page = Browser().request("GET", f"http://{HOST}/saml2/metadata")
    assert page.status in (301, 308) and page.headers["location"].startswith(IDP), page.status

    # Entra's state: 8 KiB, the most that claimbridge takes, of letters that are spelled in three.
    long_state = "A" * 4096 + "=" * 4096
    page = begin("127.0.0.9", 1, long_state)
    assert page.status == 200 and page.form("username", "password"), (page.status, page.text)

    # One address may leave so many sign-ins open; its own word about itself changes nothing.
    for number in range(LIMIT):
        page = begin("127.0.0.2", 100 + number, headers={"X-Forwarded-For": f"198.51.100.{number}",
                                                         "Forwarded": f"for=198.51.100.{number}"})
        assert page.status == 200 and page.form("password"), (number, page.status, page.text)
    page = begin("127.0.0.2", 200, headers={"X-Forwarded-For": "203.0.113.1"})
    assert page.status == 403 and 'CB-SIGNIN-006' in page.text, page.text
    page = begin("127.0.0.3", 201)
    assert page.status == 200, f"{name}: one browser's limit is another's ({page.status})"

    # Health is not for strangers; other names get no answer of ours.
    page = Browser(trusted=trusted, source="127.0.0.4").request("GET", f"{IDP}/readyz")
    assert page.status in (403, 404), page.status
    written = open(proxy.log, encoding="utf-8").read()
    if name == "nginx":
        logs = [f"/var/log/nginx/claimbridge{end}.log" for end in ("", ".error")]
        assert "/saml2/sso" in open(logs[0], encoding="utf-8").read(), "the access log is empty"
        written += "".join(open(log, encoding="utf-8").read() for log in logs)
    elif name == "haproxy":
        assert "/saml2/sso" in written, "the access log is empty"
    assert "SAMLRequest" not in written and "A" * 100 not in written, "queries are logged"
    proxy.terminate()
    proxy.wait(30)
    machine.stop(server)
    done(f"{name}: 8 KiB of state pass, the browser's own address is counted, its claims are not")

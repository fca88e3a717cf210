#!/usr/bin/python3
"""The service under its unit's own lines: account, namespaces, read-only mounts, filters; and a
person who enrols and signs in over TLS while it runs like that."""

import os
import signal
import ssl
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from machine import Machine, done, enter, name_hosts, wait_until  # noqa: E402
from person import Browser, Person, answer_of, authn_request  # noqa: E402

HOST, PORT = "idp.contoso.com", 8443
IDP = f"https://{HOST}:{PORT}"
OPS = "http://127.0.0.1:9090"
ENTRA = "urn:federation:MicrosoftOnline"

enter()
name_hosts(HOST)
machine = Machine()
machine.install()
root = machine.certificate_authority()
machine.certificate(HOST, "/etc/claimbridge/tls/tls.pem", "/etc/claimbridge/tls/tls.key")
machine.run("claimbridge", "--config", "/etc/claimbridge/claimbridge.toml", "init",
            "--public-url", IDP, "--database", "/var/lib/claimbridge/claimbridge.db")
with open(machine.inside("/etc/claimbridge/claimbridge.toml"), encoding="utf-8") as file:
    toml = file.read()
toml = toml.replace('# listen = "127.0.0.1:8080"', f'listen = "127.0.0.1:{PORT}"')
toml = toml.replace('# certificate_file = "tls.pem"', 'certificate_file = "tls/tls.pem"')
toml = toml.replace('# private_key_file = "tls.key"', 'private_key_file = "tls/tls.key"')
toml = toml.replace('# address = "127.0.0.1:9090"', 'address = "127.0.0.1:9090"')
machine.write("/etc/claimbridge/claimbridge.toml", toml)
machine.run("sh", "-euc", """
    chgrp claimbridge /etc/claimbridge/claimbridge.toml /etc/claimbridge/tls/tls.pem /etc/claimbridge/tls/tls.key
    chmod 640 /etc/claimbridge/claimbridge.toml /etc/claimbridge/tls/tls.pem /etc/claimbridge/tls/tls.key
    install -o claimbridge -g claimbridge -m 600 /dev/null /var/lib/claimbridge/claimbridge.db
    claimbridge check
    claimbridge migrate
    claimbridge domain add contoso.com
    claimbridge user add agent1@contoso.com --name 'Agent One'
""")
stat = os.stat(machine.inside("/etc/claimbridge/master.key"))
assert (stat.st_uid, stat.st_mode & 0o777) == (0, 0o600), "the master key is root's alone"

service = machine.start_unit()
machine.started(service, f"{OPS}/readyz")
status = dict(line.rstrip("\n").split(":\t", 1) for line in open(f"/proc/{service.pid}/status")
              if ":\t" in line)
account = os.stat(machine.inside("/var/lib/claimbridge")).st_uid
assert account != 0 and status["Uid"].split() == [str(account)] * 4, status["Uid"]
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    assert int(status[name], 16) == 0, (name, status[name])
assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
# The list of calls, the address families, and what no list of calls can say.
assert int(status["Seccomp_filters"]) == 3, status
mounts = [line.split() for line in open(f"/proc/{service.pid}/mounts")]
writable = {m[1] for m in mounts if "rw" in m[3].split(",")}
assert "/var/lib/claimbridge" in writable, mounts
allowed = {"/var/lib/claimbridge", "/tmp", "/var/tmp", "/proc"}
extra = {path for path in writable if path not in allowed and not path.startswith("/dev/")}
assert not extra, f"writable: {extra}"
done("the service runs as its account, without capabilities, filtered, on read-only mounts")

# The commands of an operator, as root, while it runs; the database stays the account's.
access_pass = machine.run("claimbridge", "user", "pass", "agent1@contoso.com").splitlines()
access_pass = next(word for line in access_pass for word in line.split() if len(word) == 16)
owners = {os.stat(machine.inside(f"/var/lib/claimbridge/{name}")).st_uid
          for name in os.listdir(machine.inside("/var/lib/claimbridge"))}
assert owners == {account}, f"owners of the database's files: {owners}"

browser = Browser(trusted=root)
person = Person(browser, "agent1@contoso.com", "correct horse battery staple")
page = browser.get(authn_request(IDP, ENTRA))
is_answer = lambda page: page.form("SAMLResponse") is not None  # noqa: E731
page = person.walk(page, access_pass=access_pass, until=is_answer)
assert is_answer(page), page.text
assert "http://schemas.microsoft.com/claims/multipleauthn" in answer_of(page)
done("a person enrolled by a pass and signed in over TLS with password and code")

# ExecReload: another certificate, without a restart.
before = ssl.get_server_certificate((HOST, PORT))
machine.certificate(HOST, "/etc/claimbridge/tls/tls.pem", "/etc/claimbridge/tls/tls.key")
service.send_signal(signal.SIGHUP)
wait_until("the new certificate", lambda: ssl.get_server_certificate((HOST, PORT)) != before)
assert browser.get(f"{IDP}/healthz").status == 200
done("a renewed certificate is used after `systemctl reload`")
machine.stop(service)
done("it ends by itself when it is asked to")

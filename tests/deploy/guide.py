#!/usr/bin/python3
"""Runs docs/operators-guide.md: every block marked `sh`, in order, on a bare machine.

The machine is a debootstrap folder with a network of its own; the practice tenant is started by
the guide itself. What a machine without systemd running lacks is stood in for here: `systemctl`
starts the unit under its own lines (as_unit.py). What a person does stands in the guide as a
comment (`<!-- here NAME enrols -->`), or is a sign-in with a device code, which is done here by
a browser. Nothing in the blocks is changed.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from machine import DEPLOY, REPOSITORY, Machine, binary, done, enter, name_hosts  # noqa: E402
from machine import wait_until  # noqa: E402
from person import Browser, Person  # noqa: E402

GUIDE = f"{REPOSITORY}/docs/operators-guide.md"
DOMAIN, IDP = "contoso.com", "idp.contoso.com"
ROOTS = "/root/rehearsal/ca.pem"

SYSTEMCTL = """#!/bin/sh
# Stands in for systemctl: asks the test outside.
exec 9>/run/systemctl.lock
flock 9
echo "$*" >/run/systemctl.ask
read -r status said </run/systemctl.answer
[ -z "$said" ] || echo "$said" >&2
exit "$status"
"""


def blocks(text):
    """(line, kind, content): the `sh` blocks and the comments for persons."""
    pattern = re.compile(r"^```sh\n(.*?)^```$|^<!-- here (.*?) -->$", re.S | re.M)
    for found in pattern.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found.group(1) is not None:
            yield line, "sh", found.group(1)
        else:
            yield line, "person", found.group(2)


class Services:
    """`systemctl`, as far as the guide uses it."""

    def __init__(self, machine):
        self.machine, self.running = machine, {}
        for name in ("ask", "answer"):
            os.mkfifo(machine.inside(f"/run/systemctl.{name}"))
        machine.write("/usr/local/bin/systemctl", SYSTEMCTL, 0o755)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                with open(self.machine.inside("/run/systemctl.ask"), encoding="utf-8") as file:
                    asked = file.read().split()
            except FileNotFoundError:
                return  # the machine is gone
            try:
                said = self.do(asked) or "0"
            except Exception as error:  # noqa: BLE001: it is said in the machine
                said = f"1 {error}".replace("\n", " | ")
            with open(self.machine.inside("/run/systemctl.answer"), "w", encoding="utf-8") as file:
                file.write(said + "\n")

    def do(self, words):
        verb, names = words[0], [word for word in words[1:] if not word.startswith("-")]
        if verb == "daemon-reload":
            return
        [name] = names
        running = self.running.get(name)
        if verb in ("stop", "restart") and running:
            self.machine.stop(running)
            del self.running[name]
        if verb in ("enable", "start", "restart"):
            self.start(name)
        elif verb == "reload":
            running.send_signal(1)
        elif verb == "is-active":
            return "0 active" if running and running.poll() is None else "3 inactive"
        elif verb != "stop":
            raise SystemExit(f"the stand-in for systemctl does not know {words}")

    def start(self, name):
        if name == "claimbridge":
            process = self.machine.start_unit()
            self.machine.started(process, "http://127.0.0.1:9090/healthz")
        else:
            assert name == "nginx", name
            command = ["chroot", self.machine.root, "nginx", "-g", "daemon off;"]
            process = self.machine.start(command, "nginx.log")
        self.running[name] = process


class Shell:
    """One shell in the machine for the whole guide; each block is a file that it reads."""

    def __init__(self, machine):
        self.machine, self.number = machine, 0
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                       "HOME": "/root", "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(
            ["chroot", machine.root, "/bin/bash", "-u"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        machine.processes.append(self.process)

    def run(self, text, heard):
        """Runs a block; `heard(all so far)` is called as it says something. Its output."""
        self.number += 1
        path = f"/tmp/block-{self.number}.sh"
        # An error ends the block, as it would make a person stop; the shell and its names stay.
        self.machine.write(path, "set -e -o pipefail\ntrap 'echo \"BLOCK FAILED\"' ERR\n" + text)
        end = f"BLOCK {self.number} ENDED"
        self.process.stdin.write(f". {path} </dev/null; set +e; trap - ERR; echo; echo '{end}'\n")
        self.process.stdin.flush()
        said = ""
        while True:
            line = self.process.stdout.readline()
            if line == "":
                raise AssertionError(f"the block failed:\n{text}\n── it said\n{said}")
            if line.strip() == end:
                assert "BLOCK FAILED" not in said, f"the block failed:\n{text}\n── it said\n{said}"
                return said
            said += line
            heard(said)


class People:
    """Who acts where the guide needs a person."""

    def __init__(self, machine):
        self.machine, self.agents = machine, {}

    def agent(self, upn):
        if upn not in self.agents:
            browser = Browser(trusted=self.machine.inside(ROOTS))
            self.agents[upn] = Person(browser, upn, "correct horse battery staple")
        return self.agents[upn]

    def act(self, text):
        upn, verb = text.split()
        assert verb == "enrols", text
        with open(self.machine.inside("/root/rehearsal/passes.csv"), encoding="utf-8") as file:
            [access_pass] = [row["pass"] for row in csv.DictReader(file) if row["upn"] == upn]
        person = self.agent(upn)
        page = person.browser.get(f"https://{IDP}/account")
        page = person.walk(page, access_pass, until=lambda page: page.url.endswith("/account")
                           and page.status == 200 and "code generator" in page.text.lower())
        person.browser.jar.clear()  # the next sign-in is a new one
        done(f"{upn} enrolled a code generator")

    def device_login(self, address, code, upn):
        """A browser at the tenant: the code, the account, and yes."""
        with open(self.machine.inside("/root/rehearsal/tenant.json"), encoding="utf-8") as file:
            tenant = json.load(file)
        passwords = {one["upn"]: one["password"] for one in tenant["emergency_administrators"]}
        person = self.agent(upn)
        browser = person.browser
        page = browser.get(address)
        page = browser.submit(page, page.form("code"), code=code)
        for _ in range(30):
            text = " ".join(page.text.split())
            form = page.form("handle")
            if form and "username" in form["inputs"]:
                page = browser.submit(page, form, username=upn, password=passwords.get(upn, ""))
            elif form and "Continue" in text and "confirm" in form["action"]:
                page = browser.submit(page, form, answer="continue")
            elif "You have signed in" in text:
                done(f"{upn} signed in with a device code")
                return
            else:
                stop = lambda p: p.form("handle") or "You have signed in" in p.text  # noqa: E731
                page = person.walk(page, until=stop)
        raise AssertionError(f"{upn} could not sign in: {page.url}\n{page.text}")


def kind_of_domain(machine):
    """What the tenant tells everybody of the domain: Federated or Managed."""
    with open(machine.inside("/root/rehearsal/tenant.json"), encoding="utf-8") as file:
        authority = json.load(file)["authority"]
    address = f"{authority}/getuserrealm.srf?login=agent1@{DOMAIN}&json=1"
    with urllib.request.urlopen(address) as answer:
        return json.load(answer)["NameSpaceType"]


def main():
    enter()
    name_hosts(IDP)
    machine = Machine()
    copy = machine.inside("/root/claimbridge")
    os.makedirs(f"{copy}/target/release")
    shutil.copy2(binary(), f"{copy}/target/release/claimbridge")
    shutil.copytree(DEPLOY, f"{copy}/deploy")
    machine.write("/etc/hosts", "127.0.0.1 localhost\n")
    machine.run("mkdir", "-p", "/run", "/var/log/nginx")
    services, shell, people = Services(machine), Shell(machine), People(machine)
    text = open(GUIDE, encoding="utf-8").read()
    # A block that is marked otherwise would silently not be run.
    kinds = [fence for fence in re.findall(r"^\s*(?:```|~~~)(.*)$", text, re.M) if fence]
    assert set(kinds) == {"sh", "powershell"}, set(kinds)
    assert kinds.count("sh") == sum(kind == "sh" for _, kind, _ in blocks(text)), kinds
    begun = time.monotonic()
    last_hint, managed = None, False
    for line, kind, content in blocks(text):
        if kind == "person":
            people.act(content)
            continue
        threads, failures = [], []
        hint = re.search(r"--login-hint (\S+)", content)
        names = dict(re.findall(r"^(\w+)=(\S+)", text, re.M))
        if hint:
            upn = re.sub(r'"?\$\{?(\w+)\}?"?', lambda m: names[m.group(1)], hint.group(1)).strip('"')
            last_hint = upn
        elif "inspect live" in content:
            last_hint = f"agent1@{DOMAIN}"  # "somebody of the domain"
        answered = set()

        def heard(said):
            for found in re.finditer(r"(https?://\S+/devicelogin)\S*(.*?)\b([BCDFGHJKLMNPQRSTVWXZ]{9})\b",
                                     said, re.S):
                code = found.group(3)
                if code not in answered:
                    answered.add(code)

                    def log_in():
                        try:
                            people.device_login(found.group(1), code, last_hint)
                        except BaseException as error:  # noqa: BLE001
                            failures.append(error)
                            print(f"  the person could not sign in: {error}", flush=True)
                            shell.process.kill()  # nobody waits for a sign-in that does not come
                    thread = threading.Thread(target=log_in, daemon=True)
                    thread.start()
                    threads.append(thread)

        print(f"  line {line}", flush=True)
        before = time.monotonic()
        said = shell.run(content, heard)
        for thread in threads:
            thread.join(60)
        assert not failures, failures
        if os.environ.get("VERBOSE"):
            print(said)
        if "domain verify" in content:
            assert kind_of_domain(machine) == "Federated"
        if "--to-managed" in content:
            assert kind_of_domain(machine) == "Managed"
            managed = True
        took = time.monotonic() - before
        if took > 5:
            print(f"  line {line}: {took:.0f} s", flush=True)
    assert managed, "the guide never goes back to managed"
    # The practice tenant, which the guide leaves to the machine's end.
    shell.run("kill $(jobs -p)\n", lambda said: None)
    for service in list(services.running):
        services.machine.stop(services.running.pop(service))
    done(f"every block of the guide was run, in {time.monotonic() - begun:.0f} s")


main()

#!/usr/bin/python3
"""The container's root file system, from the container file's own steps; started in a chroot.

FROM an image with a name stands for the bare Debian machine of machine.sh (the same release as
the image); `cargo build` stands for the program that was built already, because a second build
would cost what the first one did. Everything else is carried out as it is written. A step that
is not known here is an error: then somebody has to think about it.
"""

import fnmatch
import json
import os
import shlex
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from machine import DEPLOY, REPOSITORY, Machine, answers, binary, done, enter, run  # noqa: E402
from machine import wait_until  # noqa: E402

FILE = f"{DEPLOY}/container/Containerfile"


class Image:
    def __init__(self):
        self.environment, self.user, self.folder = {}, None, "/"
        self.entry, self.command, self.health, self.volumes, self.ports = [], [], [], [], []


def steps(text):
    joined = text.replace("\\\n", " ")
    for line in joined.splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word.upper(), rest.strip()


def exec_form(text):
    words = json.loads(text)  # ["…"]: there is no shell in the image
    assert isinstance(words, list), text
    return words


# What must never reach an image, wherever somebody left it.
DECOYS = ("master.key", "claimbridge.toml", "deploy/compose/secrets/master.key", ".git/config",
          "src/secrets/database.url", "tests/tls.key", "target/debug/something")


def is_left_out(path, rules):
    """As docker and podman read .dockerignore: the last rule that matches decides."""
    out = False
    for rule in rules:
        keeps = rule.startswith("!")
        rule = rule.removeprefix("!")
        if rule == "*":
            matches = True
        elif rule.startswith("**/"):
            parts = path.split("/")
            matches = any(fnmatch.fnmatch(part, rule[3:]) for part in parts)
        else:
            assert "*" not in rule, f"container.py does not know {rule}"
            matches = path == rule or path.startswith(rule + "/")
        if matches:
            out = not keeps
    return out


def copy_context(target):
    """COPY . . of a folder in which secrets lie about."""
    with open(f"{REPOSITORY}/.dockerignore", encoding="utf-8") as file:
        rules = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    tracked = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard",
                  cwd=REPOSITORY).split("\0")
    for path in filter(None, tracked):
        source = os.path.join(REPOSITORY, path)
        if not is_left_out(path, rules) and os.path.exists(source):
            os.makedirs(os.path.dirname(f"{target}/{path}"), exist_ok=True)
            shutil.copy2(source, f"{target}/{path}")
    for path in DECOYS:
        assert is_left_out(path, rules), f"{path} would be in an image layer"
    # Cargo finds every target that Cargo.toml names.
    run("cargo", "metadata", "--no-deps", "--offline", "--format-version=1",
        "--manifest-path", f"{target}/Cargo.toml")


def assemble(work):
    """Carries the steps out; the last stage's image and its root folder."""
    stages, root, image = {}, None, None
    for word, rest in steps(open(FILE, encoding="utf-8").read()):
        if word == "FROM":
            source, _, name = rest.partition(" AS ")
            image = Image()
            if source == "scratch":
                root = os.path.join(work, "scratch")
                os.mkdir(root)
            else:
                assert source.startswith("rust:") and source.endswith("-bookworm"), source
                assert "bookworm" in run("bash", f"{os.path.dirname(__file__)}/machine.sh")
                root = Machine().root
            stages[name] = root
        elif word == "WORKDIR":
            image.folder = rest
            os.makedirs(root + rest, exist_ok=True)
        elif word == "COPY" and rest.startswith("--from="):
            option, source, target = rest.split()
            from_root = stages[option.removeprefix("--from=")]
            assert source.endswith("/") and target == "/", rest
            run("cp", "-a", from_root + source + ".", root + target)
        elif word == "COPY":
            assert rest == ". .", rest
            copy_context(root + image.folder)
        elif word == "RUN" and rest == "cargo build --locked --release":
            target = f"{root}{image.folder}/target/release/claimbridge"
            os.makedirs(os.path.dirname(target))
            shutil.copy2(binary(), target)
        elif word == "RUN":
            run("chroot", root, "/bin/sh", "-euc", f"cd {shlex.quote(image.folder)}; {rest}",
                env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
        elif word == "USER":
            image.user = tuple(int(number) for number in rest.split(":"))
        elif word == "ENV":
            name, _, value = rest.partition("=")
            image.environment[name] = value
        elif word == "EXPOSE":
            image.ports = [int(port) for port in rest.split()]
        elif word == "VOLUME":
            image.volumes.append(rest)
        elif word == "HEALTHCHECK":
            image.health = exec_form(rest.partition("CMD ")[2])
        elif word == "ENTRYPOINT":
            image.entry = exec_form(rest)
        elif word == "CMD":
            image.command = exec_form(rest)
        else:
            raise SystemExit(f"container.py does not know the step {word} {rest}")
    return image, root


enter()
work = Machine()  # a folder that is thrown away
image, root = assemble(work.work)
assert image.user and image.user[0] >= 1000, "the container must not run as root"

# Nothing in it but the program, its libraries, certificates and names.
present = sorted(os.path.relpath(os.path.join(folder, name), root)
                 for folder, _, names in os.walk(root) for name in names)
programs = [path for path in present if os.access(f"{root}/{path}", os.X_OK) and ".so" not in path]
assert programs == ["usr/local/bin/claimbridge"], programs
for path in present:
    known = path.startswith(("lib", "usr/lib", "etc/")) or path in programs
    assert known and not os.stat(f"{root}/{path}").st_mode & 0o6000, path
done(f"assembled: {len(present)} files, one program")

# As an engine starts it: read-only but for the volume, secrets as files, no capabilities.
run("mount", "--bind", root, root)
run("mount", "-o", "remount,bind,ro", root)
for volume in image.volumes:
    folder = work.work + "/volume" + volume.replace("/", "-")
    os.mkdir(folder, 0o700)
    os.chown(folder, *image.user)
    run("mount", "--bind", folder, root + volume)
    run("mount", "-o", "remount,bind,rw", root + volume)
secrets = f"{work.work}/secrets"
os.mkdir(secrets)
with open(f"{secrets}/master.key", "w", encoding="utf-8") as file:
    file.write(os.urandom(32).hex())
os.chmod(f"{secrets}/master.key", 0o440)  # as Kubernetes hands it in with fsGroup
os.chown(f"{secrets}/master.key", 0, image.user[1])
run("mount", "--bind", secrets, f"{root}/etc/claimbridge")
environment = image.environment | {
    "CLAIMBRIDGE_PUBLIC_URL": "https://idp.contoso.com",
    "CLAIMBRIDGE_DATABASE_URL": "sqlite:///var/lib/claimbridge/claimbridge.db",
    "CLAIMBRIDGE_MASTER_KEY_FILE": "/etc/claimbridge/master.key",
}


def command(*words):
    user, group = image.user
    return ["/usr/bin/python3", "-c", DROP, root, image.folder, str(user), str(group), *words]


DROP = """
import ctypes, os, sys
root, folder, user, group = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
os.chroot(root)
os.chdir(folder)
libc = ctypes.CDLL(None)
for number in range(64):
    libc.prctl(24, number, 0, 0, 0)
os.setgroups([])
os.setresgid(group, group, group)
os.setresuid(user, user, user)
libc.prctl(38, 1, 0, 0, 0)
os.execve(sys.argv[5], sys.argv[5:], dict(os.environ))
"""

start = command(*image.entry, *image.command, "--migrate")
service = work.start(start, "container.log", env=environment)
port = image.ports[0]
assert str(port) in environment["CLAIMBRIDGE_LISTEN"]
work.started(service, f"http://127.0.0.1:{port}/healthz")
wait_until("/readyz", lambda: answers(f"http://127.0.0.1:{image.ports[1]}/readyz"))
assert not answers(f"http://127.0.0.1:{port}/readyz"), "it has a port of its own"
run(*command(*image.health), env=environment)
run(*command(*image.health, "--ready"), env=environment)
done("started in a chroot as its account on a read-only root: /healthz and /readyz answer")
work.stop(service)
after = subprocess.run(command(*image.health), env=environment, capture_output=True, text=True)
assert after.returncode == 1, after
done("its own health check says no when it does not run")

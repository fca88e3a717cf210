#!/usr/bin/python3
"""Runs the program of a systemd unit under that unit's own lines, where no systemd runs.

    as_unit.py ROOT UNIT        becomes the service: exec, so that signals reach it

ROOT is the machine's root folder (a debootstrap tree), UNIT the unit's path in it; drop-ins
beside it count. What systemd does with a line is done here with the kernel directly: mounts,
user, capabilities, system-call filters. A line that this file does not know is an error: then
somebody has to think about it. Lines in JUDGED need a service manager or a cgroup of their own;
`systemd-analyze security` judges them.
"""

import ctypes
import os
import resource
import struct
import subprocess
import sys

import seccomp  # Debian's python3-seccomp

JUDGED = {
    "Type", "ExecReload", "Restart", "RestartSec", "TimeoutStopSec", "DevicePolicy", "KeyringMode",
    "RemoveIPC", "MemoryMax", "TasksMax", "ProtectClock", "ProtectKernelLogs",
    "ProtectKernelModules", "ConfigurationDirectory", "ConfigurationDirectoryMode",
}
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER = 0x20000, 0x4000000, 0x8000000, 0x10000000
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
CAPABILITIES = {"CAP_NET_BIND_SERVICE": 10}
libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}{arguments}: {os.strerror(number)}")


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def read_unit(root, path):
    """The lines of [Service], in order, drop-ins last. An empty value forgets the earlier ones."""
    drop_ins = root + path + ".d"
    files = [root + path]
    if os.path.isdir(drop_ins):
        files += sorted(os.path.join(drop_ins, name) for name in os.listdir(drop_ins))
    values = {}
    for file in files:
        section = None
        for line in open(file, encoding="utf-8"):
            line = line.strip()
            if not line or line[0] in "#;":
                continue
            if line.startswith("["):
                section = line
            elif section == "[Service]":
                key, _, value = line.partition("=")
                if value == "":
                    values[key] = []
                else:
                    values.setdefault(key, []).append(value)
    return values


class Service:
    def __init__(self, root, path):
        self.root, self.path = os.path.realpath(root), path
        self.name = os.path.basename(path)
        self.lines = read_unit(self.root, path)
        self.known = set()
        accounts = open(f"{self.root}/etc/passwd", encoding="utf-8").read().splitlines()
        user = self.one("User")
        entry = next(line.split(":") for line in accounts if line.startswith(user + ":"))
        self.user, self.uid, self.gid = user, int(entry[2]), int(entry[3])
        self.credentials = f"/run/credentials/{self.name}"

    def all(self, key):
        self.known.add(key)
        return self.lines.get(key, [])

    def one(self, key, default=None):
        values = self.all(key)
        return values[-1] if values else default

    def is_on(self, key):
        value = self.one(key, "no")
        if value not in ("yes", "no"):
            raise SystemExit(f"{key}={value}: this runner knows yes and no")
        return value == "yes"

    def expect(self, key, wanted):
        """A line that this runner can do in one way only."""
        value = self.one(key)
        if value != wanted:
            raise SystemExit(f"{key}={value}: this runner knows {wanted} only")

    def inside(self, path):
        return self.root + path

    # ── what is seen of the file system ──────────────────────────────────────
    def mounts(self):
        call("unshare", CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)
        self.expect("ProtectHostname", "yes")
        self.expect("PrivateIPC", "yes")
        self.expect("PrivateMounts", "yes")
        mount("--make-rprivate", "/")
        mount("--bind", self.root, self.root)
        os.chdir(self.root)
        state = self.inside("/var/lib/" + self.one("StateDirectory"))
        os.makedirs(state, exist_ok=True)
        os.chown(state, self.uid, self.gid)
        os.chmod(state, int(self.one("StateDirectoryMode", "0755"), 8))
        self.expect("ProtectSystem", "strict")
        mount("-o", "remount,bind,ro", self.root)
        mount("--bind", state, state)
        mount("-o", "remount,bind,rw", state)
        if self.is_on("ProtectHome"):
            for folder in ("/home", "/root"):
                mount("-t", "tmpfs", "-o", "mode=000,ro", "inaccessible", self.inside(folder))
        if self.is_on("PrivateTmp"):
            for folder in ("/tmp", "/var/tmp"):
                mount("-t", "tmpfs", "-o", "mode=1777,nosuid,nodev", "tmp", self.inside(folder))
        self.expect("PrivateDevices", "yes")
        mount("-t", "tmpfs", "-o", "mode=755,nosuid,noexec", "dev", self.inside("/dev"))
        for name in ("null", "zero", "full", "random", "urandom", "tty"):
            device = self.inside(f"/dev/{name}")
            open(device, "w").close()
            mount("--bind", f"/dev/{name}", device)
        mount("-o", "remount,ro", self.inside("/dev"))
        self.expect("ProtectProc", "invisible")
        self.expect("ProcSubset", "pid")
        mount("-t", "proc", "-o", "hidepid=invisible,subset=pid,nosuid,nodev,noexec", "proc",
              self.inside("/proc"))
        self.expect("ProtectKernelTunables", "yes")
        self.expect("ProtectControlGroups", "yes")
        mount("-t", "sysfs", "-o", "ro,nosuid,nodev,noexec", "sysfs", self.inside("/sys"))
        mount("-t", "tmpfs", "-o", "mode=755", "run", self.inside("/run"))
        self.hand_in_credentials()
        mount("-o", "remount,ro", self.inside("/run"))

    def hand_in_credentials(self):
        """As systemd does: root's, mode 0400, and an access list that lets the account read."""
        folder = self.inside(self.credentials)
        os.makedirs(folder)
        mount("-t", "tmpfs", "-o", "mode=700,nosuid,nodev,noexec", "credentials", folder)
        for line in self.all("LoadCredential"):
            name, _, path = line.partition(":")
            secret = open(self.inside(path), "rb").read()
            with open(os.path.join(folder, name), "wb") as file:
                file.write(secret)
            os.chmod(file.name, 0o400)
            os.setxattr(file.name, "system.posix_acl_access", self.access_list(4))
        os.chmod(folder, 0o500)
        os.setxattr(folder, "system.posix_acl_access", self.access_list(5))
        mount("-o", "remount,ro", folder)

    def access_list(self, permission):
        nobody = 0xFFFFFFFF
        entries = [(1, permission, nobody), (2, permission, self.uid), (4, 0, nobody),
                   (16, permission, nobody), (32, 0, nobody)]
        return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)

    # ── what it may do ───────────────────────────────────────────────────────
    def drop_rights(self):
        kept = " ".join(self.all("CapabilityBoundingSet")).split()
        if " ".join(self.all("AmbientCapabilities")).split():
            raise SystemExit("this runner raises no capabilities")
        last = int(open("/proc/sys/kernel/cap_last_cap").read())
        if self.is_on("PrivateUsers"):
            self.own_user_namespace()  # before chroot: the kernel refuses it afterwards
        os.chroot(self.root)
        os.chdir("/")
        for number in set(range(last + 1)) - {CAPABILITIES[name] for name in kept}:
            call("prctl", PR_CAPBSET_DROP, number, 0, 0, 0)
        os.setgroups([])
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)
        if self.is_on("NoNewPrivileges"):
            call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)

    def own_user_namespace(self):
        """Root and the account are themselves, everybody else is nobody."""
        read, write = os.pipe()
        parent = os.getpid()
        helper = os.fork()
        if helper == 0:  # outside, and so allowed to write the maps
            os.read(read, 1)
            for file, number in (("uid_map", self.uid), ("gid_map", self.gid)):
                with open(f"/proc/{parent}/{file}", "w") as names:
                    names.write(f"0 0 1\n{number} {number} 1\n")
            os._exit(0)
        call("unshare", CLONE_NEWUSER)
        os.write(write, b"x")
        if os.waitpid(helper, 0)[1] != 0:
            raise SystemExit("the user namespace got no names")
        os.close(read)
        os.close(write)

    def filters(self):
        """In systemd's order of effect; the list of allowed calls last, since it forbids more."""
        errno_of = seccomp.ERRNO
        equal, masked, greater = seccomp.EQ, seccomp.MASKED_EQ, seccomp.GT
        self.expect("SystemCallArchitectures", "native")  # what a filter does by itself
        one = seccomp.SyscallFilter(seccomp.ALLOW)
        if self.is_on("MemoryDenyWriteExecute"):
            write_execute, execute = 2 | 4, 4
            one.add_rule(errno_of(1), "mmap", seccomp.Arg(2, masked, write_execute, write_execute))
            one.add_rule(errno_of(1), "mprotect", seccomp.Arg(2, masked, execute, execute))
            one.add_rule(errno_of(1), "pkey_mprotect", seccomp.Arg(2, masked, execute, execute))
            one.add_rule(errno_of(1), "shmat", seccomp.Arg(2, masked, 0o100000, 0o100000))
        if self.is_on("RestrictSUIDSGID"):
            for bit in (0o4000, 0o2000):
                for name, at in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1),
                                 ("mkdirat", 2), ("mknod", 1), ("mknodat", 2), ("creat", 1)):
                    one.add_rule(errno_of(1), name, seccomp.Arg(at, masked, bit, bit))
        if self.is_on("RestrictNamespaces"):
            one.add_rule(errno_of(1), "unshare")
            one.add_rule(errno_of(1), "setns")
            one.add_rule(errno_of(38), "clone3")  # its flags cannot be seen by a filter
            for flag in (0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
                         0x2000000):
                one.add_rule(errno_of(1), "clone", seccomp.Arg(0, masked, flag, flag))
        if self.is_on("RestrictRealtime"):
            one.add_rule(errno_of(1), "sched_setscheduler", seccomp.Arg(1, equal, 1))
            one.add_rule(errno_of(1), "sched_setscheduler", seccomp.Arg(1, equal, 2))
        if self.is_on("LockPersonality"):
            one.add_rule(errno_of(1), "personality", seccomp.Arg(0, greater, 0))
        one.load()

        families = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
        allowed = {families[name] for name in self.one("RestrictAddressFamilies").split()}
        two = seccomp.SyscallFilter(seccomp.ALLOW)
        for family in range(46):
            if family not in allowed:
                two.add_rule(errno_of(97), "socket", seccomp.Arg(0, equal, family))
        two.add_rule(errno_of(97), "socket", seccomp.Arg(0, greater, 45))
        two.load()

        self.expect("SystemCallErrorNumber", "EPERM")
        three = seccomp.SyscallFilter(errno_of(1))
        for name in sorted(self.calls):
            try:
                three.add_rule(seccomp.ALLOW, name)
            except (OSError, RuntimeError):
                pass  # a call of another machine or of a newer kernel
        three.load()

    def allowed_calls(self):
        """The sets of SystemCallFilter, as this machine's systemd spells them out."""
        calls = set()
        for line in self.all("SystemCallFilter"):
            minus = line.startswith("~")
            for name in line.lstrip("~").split():
                calls = calls - spelled_out(name) if minus else calls | spelled_out(name)
        # Without these nothing can be started at all; systemd adds them too.
        return calls | spelled_out("@default") | {"execve", "exit", "exit_group", "rt_sigreturn"}

    # ── and off ──────────────────────────────────────────────────────────────
    def limits(self):
        limit = int(self.one("LimitNOFILE"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        self.expect("LimitCORE", "0")
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.umask(int(self.one("UMask"), 8))

    def environment(self):
        variables = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
            "USER": self.user, "LOGNAME": self.user, "HOME": "/var/lib/claimbridge",
            "SHELL": "/usr/sbin/nologin",
            "CREDENTIALS_DIRECTORY": self.credentials,
            "STATE_DIRECTORY": "/var/lib/" + self.one("StateDirectory"),
        }
        for line in self.all("Environment"):
            name, _, value = line.partition("=")
            variables[name] = value.replace("%d", self.credentials)
        return variables

    def become(self):
        command = self.one("ExecStart").split()
        self.one("Group")
        self.calls = self.allowed_calls()
        variables = self.environment()
        self.mounts()
        self.limits()
        self.drop_rights()
        self.filters()
        unknown = set(self.lines) - self.known - JUDGED
        if unknown:
            raise SystemExit(f"as_unit.py does not know {sorted(unknown)}: teach it, or say why not")
        os.execve(command[0], command, variables)


def spelled_out(name):
    if not name.startswith("@"):
        return {name}
    lines = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    calls = set()
    for line in lines[1:]:
        word = line.strip()
        if word and not word.startswith("#"):
            calls |= spelled_out(word)
    return calls


if __name__ == "__main__":
    Service(sys.argv[1], sys.argv[2]).become()

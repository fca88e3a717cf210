"""A bare machine as a folder, in a network of its own, for the tests of deploy/.

Each test is a process of its own that enters new namespaces (mounts, network): ports cannot
collide, names are in the folder's /etc/hosts, and all mounts are gone when it ends.
"""

import atexit
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.realpath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
DEPLOY = os.path.join(REPOSITORY, "deploy")
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000


def binary():
    """The program that was built already: CLAIMBRIDGE_BINARY, else what `cargo test` built."""
    path = os.environ.get("CLAIMBRIDGE_BINARY") or os.path.join(
        REPOSITORY, "target/debug/claimbridge")
    if not os.access(path, os.X_OK):
        raise SystemExit(f"{path} is missing: cargo build")
    return os.path.realpath(path)


def run(*command, **more):
    """A command that must succeed; its standard output."""
    done = subprocess.run(command, text=True, capture_output=True, **more)
    if done.returncode != 0:
        raise SystemExit(f"{command} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def enter():
    """From here on: mounts and a network that nobody else sees."""
    if os.geteuid() != 0:
        raise SystemExit("namespaces and root folders are made by root: run this as root")
    run("bash", os.path.join(HERE, "machine.sh"))  # while there is a network to fetch it from
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    run("mount", "--make-rprivate", "/")
    run("ip", "link", "set", "lo", "up")


def wait_until(what, question, seconds=60):
    """Asks again until the answer is yes; events of other processes cannot be awaited."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False


class Machine:
    """A debootstrap tree with a layer above it that is thrown away."""

    def __init__(self, base=None):
        base = base or run("bash", os.path.join(HERE, "machine.sh")).strip().splitlines()[-1]
        self.work = tempfile.mkdtemp(prefix="claimbridge-machine.")
        atexit.register(self.end)
        self.processes = []
        for name in ("upper", "layer", "root"):
            os.mkdir(os.path.join(self.work, name))
        self.root = os.path.join(self.work, "root")
        options = f"lowerdir={base},upperdir={self.work}/upper,workdir={self.work}/layer"
        run("mount", "-t", "overlay", "-o", options, "overlay", self.root)
        for name in ("null", "zero", "full", "random", "urandom", "tty"):
            device = self.inside(f"/dev/{name}")
            if not os.path.exists(device):
                open(device, "w").close()
            run("mount", "--bind", f"/dev/{name}", device)
        run("mount", "-t", "proc", "proc", self.inside("/proc"))
        os.chmod(self.work, 0o711)

    def end(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
                process.wait()
        with open("/proc/self/mounts", encoding="utf-8") as file:
            mounted = [line.split()[1] for line in file]
        for path in reversed([path for path in mounted if path.startswith(self.work + "/")]):
            subprocess.run(["umount", "-l", path], check=False)
        shutil.rmtree(self.work, ignore_errors=True)

    def inside(self, path):
        return self.root + path

    def put(self, source, path, mode=0o644):
        os.makedirs(os.path.dirname(self.inside(path)), exist_ok=True)
        shutil.copyfile(source, self.inside(path))
        os.chmod(self.inside(path), mode)

    def write(self, path, text, mode=0o644):
        os.makedirs(os.path.dirname(self.inside(path)), exist_ok=True)
        with open(self.inside(path), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.inside(path), mode)

    def run(self, *command, **more):
        """In the machine, as root, without this process's environment."""
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                       "HOME": "/root", "LC_ALL": "C.UTF-8"}
        return run("chroot", self.root, *command, env=environment, **more)

    def install(self):
        """Program, account, folders and unit, as the operator's guide does it."""
        self.put(binary(), "/usr/local/bin/claimbridge", 0o755)
        self.put(f"{DEPLOY}/systemd/claimbridge.service",
                 "/etc/systemd/system/claimbridge.service")
        run("systemd-sysusers", f"--root={self.root}", f"{DEPLOY}/systemd/sysusers.conf")
        run("systemd-tmpfiles", f"--root={self.root}", "--create",
            f"{DEPLOY}/systemd/tmpfiles.conf")

    def certificate_authority(self):
        """A root of its own; gives the path of its certificate outside."""
        folder = os.path.join(self.work, "ca")
        os.makedirs(folder, exist_ok=True)
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
            "-subj", "/CN=Test root", "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem")
        return f"{folder}/ca.pem"

    def certificate(self, host, certificate, key):
        """A certificate of that authority, in the machine."""
        folder = os.path.join(self.work, "ca")
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}",
            "-keyout", self.inside(key), "-out", f"{folder}/request.pem")
        with open(f"{folder}/names", "w", encoding="utf-8") as file:
            file.write(f"subjectAltName=DNS:{host}\n")
        run("openssl", "x509", "-req", "-in", f"{folder}/request.pem", "-days", "20",
            "-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-CAcreateserial",
            "-extfile", f"{folder}/names", "-out", self.inside(certificate))

    def start(self, command, log, **more):
        """A process that ends with the machine; what it says is in the file `log`."""
        path = os.path.join(self.work, log)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=open(path, "ab"), stderr=subprocess.STDOUT,
            **more)
        process.log = path
        self.processes.append(process)
        return process

    def start_unit(self, unit="/etc/systemd/system/claimbridge.service"):
        return self.start(["/usr/bin/python3", os.path.join(HERE, "as_unit.py"), self.root, unit],
                          "service.log")

    def log(self, name="service.log"):
        with open(os.path.join(self.work, name), encoding="utf-8") as file:
            return file.read()

    def started(self, process, url):
        """Waits for the answer of a process that is starting."""
        def question():
            if process.poll() is not None:
                raise AssertionError(f"it ended with {process.returncode}\n"
                                     + open(process.log, encoding="utf-8").read())
            return answers(url)
        wait_until(url, question)

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        status = process.wait(30)
        if status != 0:
            raise AssertionError(f"it ended with {status}\n"
                                 + open(process.log, encoding="utf-8").read())


def name_hosts(*names):
    """These names are this machine, in this process's view of the file system."""
    hosts = tempfile.NamedTemporaryFile("w", delete=False)
    hosts.write("127.0.0.1 localhost " + " ".join(names) + "\n")
    hosts.close()
    os.chmod(hosts.name, 0o644)
    run("mount", "--bind", hosts.name, "/etc/hosts")
    os.unlink(hosts.name)


def done(text):
    print(f"  {text}", flush=True)


sys.stdout.reconfigure(line_buffering=True)

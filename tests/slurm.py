"""A Slurm of one node on loopback, for the time of a test: the munge and daemons that Debian packages."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

#: What the node has one of, as ``--gres`` names it: no card, but what Slurm counts and hands out as one.
CARD = "gpu:toy:1"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")


def why_not() -> str:
    """Return why Slurm cannot be started here, or nothing."""
    absent = [p for p in PROGRAMS if not shutil.which(p)]
    if absent:
        return f"no {', '.join(absent)} on the path (Debian: slurm-wlm, munge)"
    return "" if os.geteuid() == 0 else "Slurm's daemons are started as root here"


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """Start a cluster with its state below ``folder``; commands find it through ``SLURM_CONF``."""
    host = socket.gethostname().split(".")[0]
    conf = folder / "slurm.conf"
    key, sock = folder / "munge" / "key", folder / "munge" / "socket"
    key.parent.mkdir(mode=0o755)
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    munge = pwd.getpwnam("munge")
    for path in (key.parent, key):
        os.chown(path, munge.pw_uid, munge.pw_gid)
    for parent in folder.parents:  # munge's user must reach its folder
        if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    ports = [_free_port() for _ in range(2)]
    conf.write_text(f"""ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={sock}
CredType=cred/munge
SlurmUser=root
StateSaveLocation={folder / "state"}
SlurmdSpoolDir={folder / "spool"}
SlurmctldPidFile={folder / "ctld.pid"}
SlurmdPidFile={folder / "d.pid"}
SlurmctldLogFile={folder / "ctld.log"}
SlurmdLogFile={folder / "d.log"}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
JobRequeue=1
MpiDefault=none
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory=3000 Gres={CARD} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=60 State=UP
""")
    (folder / "gres.conf").write_text(f"AutoDetect=off\nNodeName={host} Name=gpu Type=toy File=/dev/null\n")
    as_munge = ["setpriv", f"--reuid={munge.pw_uid}", f"--regid={munge.pw_gid}", "--clear-groups"]
    own = [f"--key-file={key}", f"--socket={sock}", f"--pid-file={key.parent / 'pid'}"]
    own += [f"--log-file={key.parent / 'log'}", f"--seed-file={key.parent / 'seed'}"]
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(conf)
    daemons: list[subprocess.Popen[bytes]] = []
    with ExitStack() as stack:
        for command in (
            [*as_munge, "munged", "--foreground", *own],
            ["slurmctld", "-D", "-f", str(conf)],
            ["slurmd", "-D", "-f", str(conf)],
        ):
            daemons.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            stack.callback(_stop, daemons[-1])
            time.sleep(0.5)
        try:
            _wait_until_idle(folder, daemons)
            yield
        finally:
            subprocess.run(["scancel", "--user=root"], check=False, capture_output=True)
            if before is None:
                del os.environ["SLURM_CONF"]
            else:
                os.environ["SLURM_CONF"] = before


def shown(job: str) -> dict[str, str]:
    """Return what the cluster says of a job, also some minutes after its end."""
    command = ["scontrol", "show", "job", "--oneliner", job]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(entry.split("=", 1) for entry in said.split() if "=" in entry)


def _wait_until_idle(folder: Path, daemons: list[subprocess.Popen[bytes]]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and all(d.poll() is None for d in daemons):
        said = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, check=False)
        if said.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    logs = "\n".join(p.read_text()[-1500:] for p in folder.rglob("*log"))
    raise RuntimeError(f"Slurm did not come up\n{logs}")


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(20)
    except subprocess.TimeoutExpired:  # slurmd waits long for a controller that is not there
        daemon.kill()
        daemon.wait()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])

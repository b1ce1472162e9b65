"""A real Slurm on this machine alone, for a while.

`python tests/slurm_cluster.py COMMAND ...` runs a command that can submit to it. All files are in a temporary folder,
all daemons listen on the loopback interface only, and nothing is left at the end: the database of the accounts
(MariaDB), the key holder (munge), and Slurm's three daemons, with two nodes of two pretended processors each, `one` and
`two`.
From Debian: `apt-get install slurmctld slurmd slurmdbd slurm-client mariadb-server munge`.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

PROGRAMS = ("sbatch", "sacctmgr", "slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd", "mariadb-install-db")
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
NODES = ("one", "two")
PATIENCE = 25.0
"""Seconds that a daemon may take to come up."""

DATABASE_DAEMON = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={database}
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
SlurmUser={user}
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser={user}
StorageLoc=slurm
"""

# cred_expire: a job that is put back into the queue waits that long; 120 s of old
SLURM = """
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={database}
AccountingStoragePass={folder}/munge.socket
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,batch_sched_delay=0
ReturnToService=2
KillWait=5
OverTimeLimit=0
MinJobAge=10
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={one} CPUs=2 RealMemory=4096 State=UNKNOWN
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={two} CPUs=2 RealMemory=4096 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """The programs that Slurm needs and this machine lacks."""
    return [name for name in PROGRAMS if not shutil.which(name, path=PATH)]


@contextlib.contextmanager
def slurm_cluster() -> Iterator[Path]:
    """Start Slurm, with SLURM_CONF pointing to it inside, and stop everything that runs in it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    daemons: list[subprocess.Popen[bytes]] = []
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    environment = {**os.environ, "PATH": PATH, "MYSQL_UNIX_PORT": str(folder / "mariadb.socket")}

    def start(*command: str) -> None:
        with open(folder / "daemons.log", "ab") as log:
            daemons.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True))

    try:
        configure(folder)
        start_all(folder, start, environment)
        yield folder
    finally:
        quietly("scancel", "--user", getpass.getuser(), environment=environment)
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for process in inside(folder):  # what jobs left
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before
        shutil.rmtree(folder, ignore_errors=True)


def configure(folder: Path) -> None:
    """Write the configurations and the key."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(4)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        ports = [listener.getsockname()[1] for listener in sockets]
    facts = dict(zip(("database", "control", "one", "two"), ports, strict=True))
    facts |= {"folder": folder, "user": getpass.getuser(), "host": socket.gethostname().split(".")[0]}
    for name, text in {"slurm.conf": SLURM, "slurmdbd.conf": DATABASE_DAEMON}.items():
        (folder / name).write_text(text.format(**facts))
        (folder / name).chmod(0o600)  # slurmdbd asks for it
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    for name in ("state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir()


def start_all(folder: Path, start: Callable[..., None], environment: Mapping[str, str]) -> None:
    """Start the daemons in the order in which they need each other."""
    munge = folder / "munge.socket"
    files = (f"--{kind}-file={folder}/munge.{kind}" for kind in ("key", "pid", "log", "seed"))
    start("munged", "--foreground", "--force", f"--socket={munge}", *files)
    data = ("--no-defaults", f"--datadir={folder}/data", f"--user={getpass.getuser()}")
    database = environment["MYSQL_UNIX_PORT"]
    subprocess.run(["mariadb-install-db", *data, "--skip-test-db"], env=environment, check=True, capture_output=True)
    # its socket is in our folder, so it needs no passwords
    start("mariadbd", *data, f"--socket={database}", f"--pid-file={folder}/mariadb.pid", "--skip-networking",
          "--skip-grant-tables", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M")  # fmt: skip
    wait("munge", munge.exists)
    wait("MariaDB", Path(database).exists)
    start("slurmdbd", "-D")
    wait("slurmdbd", lambda: quietly("sacctmgr", "--immediate", "add", "cluster", "loopback", environment=environment))
    start("slurmctld", "-D", "-i")
    for node in NODES:
        start("slurmd", "-D", "-N", node)
    wait("idle nodes", lambda: idle(environment) == len(NODES))


def idle(environment: Mapping[str, str]) -> int:
    """The number of nodes that wait for work."""
    result = subprocess.run(["sinfo", "--noheader", "--Node", "--format=%T"], env=environment, capture_output=True)
    return result.stdout.split().count(b"idle")


def quietly(*command: str, environment: Mapping[str, str]) -> bool:
    """Whether a command succeeds."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(command, env=environment, capture_output=True, timeout=20).returncode == 0
    return False


def wait(name: str, ready: Callable[[], bool]) -> None:
    """Wait until something is ready."""
    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            logs = sorted(Path(os.environ["SLURM_CONF"]).parent.glob("*.log"))
            tails = "\n".join(f"{log.name}:\n{log.read_text(errors='replace')[-1000:]}" for log in logs)
            raise TimeoutError(f"no {name} after {PATIENCE:.0f} s\n{tails}")
        time.sleep(0.2)


def inside(folder: Path) -> list[int]:
    """The processes that were started with this cluster's configuration."""
    mark = f"SLURM_CONF={folder / 'slurm.conf'}".encode()
    processes = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes().split(b"\0") and int(path.parent.name) != os.getpid():
                processes.append(int(path.parent.name))
    return processes


if __name__ == "__main__":
    if lacking := missing():
        sys.exit(f"not installed: {', '.join(lacking)}")
    with slurm_cluster():
        sys.exit(subprocess.run(sys.argv[1:] or ["sinfo"]).returncode)

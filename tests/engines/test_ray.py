"""Tasks on a real Ray cluster, whose nodes are network namespaces of this machine."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray_cluster import HEAD, Cluster, missing, ray_cluster, wait_for
from traps import set_traps, sprung

from kinetic.engines.interface import Task
from kinetic.engines.ray import Ray

pytestmark = pytest.mark.ray
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")


def alive(process: str) -> bool:
    """Whether a process runs; one that is dead and waits for its parent does not."""
    try:
        return Path("/proc", process, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if lacking := missing():
        pytest.skip(f"no Ray cluster here: {lacking}")
    with ray_cluster() as cluster:
        yield cluster


def test_every_task_starts_on_a_node_and_ends(cluster, tmp_path):
    events = cluster.events("nap", [f"{tmp_path / str(i)} 0" for i in range(6)])
    for i in range(6):
        kinds = [kind for kind, name, _ in events if name == f"task{i}"]
        assert kinds == ["started", "ended"]
        assert (tmp_path / str(i)).read_text() == "done"
    assert all("10.77.0.1" in detail for kind, _, detail in events if kind == "started")


def test_the_work_has_the_main_thread_the_folder_and_what_it_reserved(cluster, tmp_path):
    cluster.events("look_around", [str(tmp_path / "surroundings")], cpus=2, gpus=1)
    assert (tmp_path / "surroundings").read_text() == f"True {cluster.folder} ['2', '0']"


def test_nothing_of_the_current_folder_is_imported(cluster, tmp_path):
    folder = set_traps(tmp_path, "kinetic")
    events = cluster.events("look_around", [str(tmp_path / "surroundings")], folder=folder)
    assert [kind for kind, *_ in events] == ["started", "ended", "closed"]
    assert (tmp_path / "surroundings").read_text().startswith(f"True {folder} ")
    assert sprung(folder) == ""


def test_code_is_imported_before_the_work(cluster, tmp_path):
    (tmp_path / "my-pooling.py").write_text("ANSWER = 42")
    events = cluster.events("answer", [str(tmp_path / "answer")], folder=tmp_path, code=["my-pooling.py"])
    assert [kind for kind, *_ in events] == ["started", "ended", "closed"]
    assert (tmp_path / "answer").read_text() == "42"


def test_an_exception_fails_its_task_alone_and_at_once(cluster, tmp_path):
    events = cluster.events("refuse", [str(tmp_path / name) for name in ("one", "bad", "two")])
    assert ("failed", "task1", "ValueError: two lines") in events
    assert sorted((kind, name) for kind, name, _ in events if name) == [
        ("ended", "task0"), ("ended", "task2"), ("failed", "task1"),
        ("started", "task0"), ("started", "task1"), ("started", "task2"),
    ]  # fmt: skip


@pytest.mark.parametrize(("work", "reason"), [("die_once", "SIGKILL"), ("kill_worker_once", "")])
def test_what_is_killed_is_tried_again(cluster, tmp_path, work, reason):
    events = cluster.events(work, [str(tmp_path / "end")])
    assert [kind for kind, *_ in events] == ["started", "lost", "started", "ended", "closed"]
    assert reason in events[1][2] and "\n" not in events[1][2]
    assert (tmp_path / "end").read_text() == "done"
    process = (tmp_path / "end.first").read_text() if (tmp_path / "end.first").exists() else ""
    assert process and not alive(process), "the work outlived its worker"


@pytest.mark.parametrize(("work", "reason"), [("die", "SIGKILL"), ("leave", "status 0")])
def test_what_is_lost_again_and_again_fails(cluster, work, reason):
    events = cluster.events(work, [""], retries=1)
    assert [kind for kind, *_ in events] == ["started", "lost", "started", "failed", "closed"]
    assert events[3][2].startswith("lost 2 times") and reason in events[3][2]


def test_no_more_tasks_run_at_a_time_than_jobs(cluster, tmp_path):
    events = cluster.events("nap", [f"{tmp_path / str(i)} 0.2" for i in range(3)], jobs=1)
    assert [kind for kind, *_ in events] == ["started", "ended"] * 3 + ["closed"]


def test_closing_asks_what_runs_to_stop_and_drops_what_waits(cluster, tmp_path):
    files = [tmp_path / str(i) for i in range(6)]  # two more than the CPUs
    driver = cluster.drive("note_sigterm", [str(file) for file in files])
    with driver:
        wait_for(lambda: sum(file.exists() for file in files) == 4, 60)
        driver.send_signal(signal.SIGINT)
        out, _ = driver.communicate(timeout=60)
    assert [file.read_text() for file in files if file.exists()] == ["SIGTERM"] * 4


def test_what_does_not_stop_is_killed_before_the_iterator_is_closed(cluster, tmp_path):
    file = tmp_path / "deaf"
    events = cluster.events("deaf", [str(file)], enough=1, grace=1.5)
    assert [kind for kind, *_ in events] == ["started", "closed"]
    assert not file.exists() or not alive(file.read_text())


def test_no_work_outlives_a_killed_driver(cluster, tmp_path):
    file = tmp_path / "pid"
    with cluster.drive("deaf", [str(file)]) as driver:
        wait_for(file.exists, 60)
        driver.kill()
        wait_for(lambda: not alive(file.read_text()), 60)


def test_a_task_larger_than_every_node_is_refused(cluster):
    with cluster.drive("nap", [""], cpus=3) as driver:
        _, err = driver.communicate(timeout=60)
    assert "ValueError: no node has the 3 CPUs and 0 GPUs of a task; the cluster's nodes have 0 and 0, 2 and 1" in err


def test_the_tasks_of_a_dead_node_move(cluster, tmp_path):
    files = [tmp_path / str(i) for i in range(7)]
    driver = cluster.drive("nap", [f"{file} 3" for file in files])
    moved, events = set(), []
    with driver:
        assert driver.stdout is not None and driver.stderr is not None
        for line in driver.stdout:
            events.append(json.loads(line))
            here = {name for kind, name, detail in events if kind == "started" and "10.77.0.11" in detail}
            if len(here) == 2 and not moved:
                moved = here
                cluster.kill(cluster.nodes[11])
        assert (driver.stderr.read(), driver.wait(60)) == ("", 0)
    assert [file.read_text() for file in files] == ["done"] * 7
    assert {name for kind, name, _ in events if kind == "lost"} == moved
    for i in range(7):
        kinds = [kind for kind, name, _ in events if name == f"task{i}"]
        assert kinds == (["started", "lost", "started", "ended"] if f"task{i}" in moved else ["started", "ended"])


def test_no_cluster_is_an_error_that_comes_soon(cluster):
    with cluster.drive("nap", [""], address=f"{HEAD}:9") as driver:
        _, err = driver.communicate(timeout=60)
    assert f"ConnectionError: no Ray cluster can be reached at {HEAD}:9" in err.splitlines()[-1]


@needs_ray
def test_nobody_at_the_address_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(ConnectionError, match=f"no Ray cluster can be reached at {address}.*ray start"):
        list(Ray(address).run(os.remove, [Task("one", "")]))


def test_without_ray_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kinetic-motion\[ray\]'"):
        list(Ray().run(os.remove, [Task("one", "")]))


@pytest.mark.parametrize("address", ["local", "", "ray://10.0.0.1:10001", "10.0.0.1", "10.0.0.1:"])
def test_an_address_that_ray_would_take_otherwise_is_refused(address):
    with pytest.raises(ValueError, match="HOST:PORT"):
        Ray(address)


@pytest.mark.parametrize(
    "wrong", [{"cpus": -1}, {"gpus": -0.5}, {"retries": -1}, {"grace": float("nan")}, {"jobs": 0}], ids=str
)
def test_wrong_numbers_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Ray(**wrong)


def test_work_that_no_node_can_import_is_refused():
    with pytest.raises(ValueError, match="function of a module"):
        list(Ray().run(lambda argument: None, [Task("one", "")]))

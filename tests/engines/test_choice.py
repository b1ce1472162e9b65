"""Which engine a name and a configuration stand for."""

from __future__ import annotations

import pytest

from kinetic.engines.choice import choose_engine
from kinetic.engines.here import Here
from kinetic.engines.local import Local
from kinetic.engines.ray import Ray
from kinetic.engines.slurm import Slurm
from kinetic.processes import processors
from kinetic.settings.ablation import RayConfig, SlurmConfig

ROOM = processors()


def test_this_machine_runs_as_many_tasks_as_there_are_processors_for(tmp_path):
    assert choose_engine("local", folder=tmp_path) == Local(ROOM)
    assert choose_engine("local", folder=tmp_path, threads=ROOM, preload=["json"]) == Local(
        1, threads=ROOM, preload=["json"]
    )
    assert choose_engine("local", folder=tmp_path, threads=10 * ROOM) == Local(1, threads=10 * ROOM)


def test_with_gpus_it_runs_as_many_as_there_are_of_them(tmp_path):
    assert choose_engine("local", folder=tmp_path, gpus=1) == Local(1, gpus=1)
    assert choose_engine("local", folder=tmp_path, gpus=1000).jobs == ROOM


def test_a_number_of_jobs_wins(tmp_path):
    assert choose_engine("local", folder=tmp_path, jobs=7, gpus=1).jobs == 7


def test_ray_has_the_settings_of_the_configuration(tmp_path):
    engine = choose_engine("ray", folder=tmp_path, jobs=3, ray=RayConfig(address="1.2.3.4:6379", cpus=2, gpus=0.5))
    assert engine == Ray("1.2.3.4:6379", cpus=2, gpus=0.5, jobs=3)


def test_slurm_has_the_settings_of_the_configuration(tmp_path):
    settings = SlurmConfig(partition="gpu", minutes=30, cpus=4, gpus=1, memory=16, options={"account": "lab"})
    engine = choose_engine("slurm", folder=tmp_path, slurm=settings)
    assert engine == Slurm(
        tmp_path / "slurm", partition="gpu", minutes=30, cpus=4, gpus=1, memory=16, more={"account": "lab"}
    )


def test_here_is_this_process(tmp_path):
    assert choose_engine("here", folder=tmp_path) == Here()


@pytest.mark.parametrize("name", ["local", "ray", "slurm", "here"])
def test_every_engine_is_told_the_code_of_the_user(name, tmp_path):
    assert choose_engine(name, folder=tmp_path, code=["loss.py"]).code == ["loss.py"]


@pytest.mark.parametrize("name", ["ray", "slurm"])
def test_an_engine_can_be_named_where_its_extra_is_missing(name, tmp_path):
    choose_engine(name, folder=tmp_path)

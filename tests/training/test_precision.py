"""The choice of `training.precision: auto`."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
import torch

from kinetic.families.experiments import load_experiment
from kinetic.settings.experiment import TrainingConfig
from kinetic.training import precision
from kinetic.training.precision import choose_precision, race, slow_request, with_precision

CPU = TrainingConfig(accelerator="cpu", precision="auto")


@pytest.fixture
def factor(monkeypatch):
    """A function that sets the measured speed of bf16 over that of float32."""

    def set_factor(value: float) -> None:
        monkeypatch.setattr(precision, "race", lambda: value)

    return set_factor


@pytest.mark.parametrize(
    ("measured", "name", "words"),
    [
        (2.04, "bf16", "a matrix product is 2.0 times as fast"),
        (1.2, "bf16", "1.2 times"),
        (1.19, "32", "takes 0.8 times as long"),
        (0.02, "32", "takes 50.0 times as long"),
    ],
)
def test_bf16_is_taken_where_it_is_clearly_faster(factor, measured, name, words):
    factor(measured)
    chosen = choose_precision(CPU)
    assert chosen.name == name
    assert words in chosen.why
    assert str(chosen).startswith(f"precision {name}: ")


@pytest.mark.parametrize(("capability", "name"), [((7, 5), "32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_a_gpu_has_bf16_from_compute_capability_8_on(monkeypatch, factor, capability, name):
    factor(0.01)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    for accelerator in ("auto", "gpu"):
        assert choose_precision(TrainingConfig(accelerator=accelerator)).name == name
    assert choose_precision(CPU).name == "32"


def test_processes_that_could_disagree_do_not_race(factor):
    factor(3.0)
    assert choose_precision(TrainingConfig(accelerator="cpu", devices=2)).name == "32"
    assert choose_precision(TrainingConfig(accelerator="cpu", nodes=2)).name == "32"


def test_only_auto_is_replaced():
    for name, expected in (("auto", "bf16"), ("32", "32"), ("bf16", "bf16")):
        experiment = load_experiment(**{"training.precision": name})
        assert with_precision(experiment, "bf16").training.precision == expected


def test_a_request_for_slow_bf16_gets_a_warning(factor):
    factor(0.1)
    settings = TrainingConfig(accelerator="cpu", precision="bf16")
    assert "takes 10.0 times as long" in (slow_request(settings) or "")
    assert slow_request(TrainingConfig(accelerator="cpu", precision="32")) is None
    factor(0.9)
    assert slow_request(settings) is None


def test_the_race_leaves_the_threads_alone_and_is_run_once():
    before = torch.get_num_threads()
    assert race() > 0
    assert race() == race()
    assert torch.get_num_threads() == before


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="plays an older x86 processor")
def test_a_processor_without_bf16_gets_float32():
    code = (
        "from kinetic.settings.experiment import TrainingConfig; "
        "from kinetic.training.precision import choose_precision; "
        "print(choose_precision(TrainingConfig(accelerator='cpu')))"
    )
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("precision 32: in bf16 a matrix product takes ")

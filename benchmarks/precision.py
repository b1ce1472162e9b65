"""`python -m benchmarks.precision`: a training step of the fast recipe in float32 and in bfloat16.

On this processor, and on one without units for bfloat16, which settings of oneDNN and torch play on any x86 machine.
The number that matters is the last column: how many times as long the step takes in bfloat16. Steps of both precisions
alternate, and the processor time of one thread counts, so that other processes do not decide.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import torch

from benchmarks.harness import machine
from kinetic.families.experiments import experiment_settings as settings
from kinetic.families.experiments import load_experiment
from kinetic.families.kinetic_gan import KINETIC_GAN
from kinetic.settings.experiment import TrainingConfig
from kinetic.settings.reading import value_from_text
from kinetic.training.precision import choose_precision, race

LESSER = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


def measure(repeats: int, chosen: Sequence[str]) -> dict[str, float | str]:
    """Milliseconds of a critic and a generator step in both precisions, in this process."""
    torch.set_num_threads(1)
    typed = dict(word.split("=", 1) for word in chosen)
    known = settings()
    asked = load_experiment("demo", "fast", **{key: value_from_text(known[key], text) for key, text in typed.items()})
    material = KINETIC_GAN.open(asked)
    train, scaler = material.train, material.about.scaler
    module = KINETIC_GAN.build(asked, material.about)
    generator, critic = module.generator, module.critic
    rows = torch.arange(asked.data.batch_size) % len(train)
    real = scaler(torch.from_numpy(train.motion[rows.numpy()]))
    label = torch.from_numpy(train.label[rows.numpy()])
    z = torch.randn(len(rows), generator.latent)

    def step() -> None:
        fake = generator(z, label)
        scores = critic(torch.cat([real, fake.detach()]), torch.cat([label, label])).float()
        (scores[: len(real)].mean() - scores[len(real) :].mean()).backward()
        critic(fake, label).float().mean().backward()

    took: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(repeats + 1):
        for half in took:
            begun = time.thread_time()
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                step()
            took[half].append(time.thread_time() - begun)
    single, half_ = (1e3 * statistics.median(took[half][1:]) for half in took)
    auto = choose_precision(TrainingConfig(accelerator="cpu"))
    return {"race": race(), "auto": auto.name, "32": single, "bf16": half_, "factor": half_ / single}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the experiment")
    parser.add_argument("--here", action="store_true", help="only in this process, as JSON")
    asked = parser.parse_args(arguments)
    if asked.here:
        print(json.dumps(measure(asked.repeats, asked.set)))
        return 0
    where = machine(torch.device("cpu"))
    print(f"{where['device']}, {where['cores']} cores, load {where['load']}, torch {where['torch']}")
    print("\n| processor | product in bf16 | `auto` takes | step in 32 | step in bf16 | ratio |")
    print("|---|---|---|---|---|---|")
    for name, environment in (("this one", {}), ("playing AVX2", LESSER)):
        words = [f"--repeats={asked.repeats}", *(f"--set={word}" for word in asked.set)]
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.precision", "--here", *words],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found = json.loads(told.stdout)
        print(
            f"| {name} | {found['race']:.2f} times as fast | {found['auto']} | {found['32']:.0f} ms "
            f"| {found['bf16']:.0f} ms | {found['factor']:.2f} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

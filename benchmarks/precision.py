"""`python -m benchmarks.precision`: a training step of the fast recipe in float32 and in bfloat16.

The step runs on this processor, and as on a processor without units for bfloat16, which settings of oneDNN and torch
imitate on any x86 machine. The number that matters is the last column: the time of a step in bfloat16 over that in
float32. Steps of both precisions alternate, and the processor time of one thread counts, so that the load of the
machine matters little.
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
from kinetic.families.experiments import experiment_settings, load_experiment
from kinetic.families.kinetic_gan import KINETIC_GAN
from kinetic.settings.experiment import TrainingConfig
from kinetic.settings.reading import value_from_text
from kinetic.training.precision import choose_precision, race

LESSER = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


def measure(repeats: int, chosen: Sequence[str]) -> dict[str, float | str]:
    """Milliseconds of a critic and a generator step in both precisions, in this process."""
    torch.set_num_threads(1)
    typed = dict(word.split("=", 1) for word in chosen)
    settings = experiment_settings()
    changes = {key: value_from_text(settings[key], text) for key, text in typed.items()}
    experiment = load_experiment("demo", "fast", **changes)
    material = KINETIC_GAN.open(experiment)
    train, scaler = material.train, material.about.scaler
    module = KINETIC_GAN.build(experiment, material.about)
    generator, critic = module.generator, module.critic
    rows = torch.arange(experiment.data.batch_size) % len(train)
    real = scaler(torch.from_numpy(train.motion[rows.numpy()]))
    label = torch.from_numpy(train.label[rows.numpy()])
    z = torch.randn(len(rows), generator.latent)

    def step() -> None:
        fake = generator(z, label)
        scores = critic(torch.cat([real, fake.detach()]), torch.cat([label, label])).float()
        (scores[: len(real)].mean() - scores[len(real) :].mean()).backward()
        critic(fake, label).float().mean().backward()

    seconds: dict[str, list[float]] = {"32": [], "bf16": []}
    for _ in range(repeats + 1):
        for name, values in seconds.items():
            start = time.thread_time()
            with torch.autocast("cpu", torch.bfloat16, enabled=name == "bf16"):
                step()
            values.append(time.thread_time() - start)
    single, half = (1e3 * statistics.median(values[1:]) for values in seconds.values())
    auto = choose_precision(TrainingConfig(accelerator="cpu"))
    return {"race": race(), "auto": auto.name, "32": single, "bf16": half, "factor": half / single}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the experiment")
    parser.add_argument("--here", action="store_true", help="only in this process, as JSON")
    options = parser.parse_args(arguments)
    if options.here:
        print(json.dumps(measure(options.repeats, options.set)))
        return 0
    where = machine(torch.device("cpu"))
    print(f"{where['device']}, {where['cores']} cores, load {where['load']}, torch {where['torch']}")
    print("\n| processor | product in bf16 | `auto` takes | step in 32 | step in bf16 | ratio |")
    print("|---|---|---|---|---|---|")
    for name, environment in (("this one", {}), ("playing AVX2", LESSER)):
        words = [f"--repeats={options.repeats}", *(f"--set={word}" for word in options.set)]
        process = subprocess.run(
            [sys.executable, "-m", "benchmarks.precision", "--here", *words],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        result = json.loads(process.stdout)
        print(
            f"| {name} | {result['race']:.2f} times as fast | {result['auto']} | {result['32']:.0f} ms "
            f"| {result['bf16']:.0f} ms | {result['factor']:.2f} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

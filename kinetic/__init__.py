"""Human skeleton motions from an action label: generate, train, measure, look.

The names below are imported from their modules on first use, so that `import kinetic` is instant.
"""

from importlib import import_module

from kinetic.version import __version__ as __version__

TYPE_CHECKING = False
"""True for type checkers. `typing` is not imported: under `python -m kinetic` Python still searches the current folder
at this point (see `__main__`), so this module imports only what Python has imported before."""

if TYPE_CHECKING:
    from kinetic.ablation.grid import ablate as ablate
    from kinetic.ablation.grid import table as table
    from kinetic.ablation.recipes import Recipe as Recipe
    from kinetic.evaluation.evaluate import evaluate as evaluate
    from kinetic.families.experiments import load_experiment as load_experiment
    from kinetic.families.interface import Family as Family
    from kinetic.families.table import FAMILIES as FAMILIES
    from kinetic.formats.reading import read_motions as read_motions
    from kinetic.metrics.frechet import FrechetDistance as FrechetDistance
    from kinetic.metrics.frechet import frechet_distance as frechet_distance
    from kinetic.metrics.mmd import mmd as mmd
    from kinetic.models.stgcn import Critic as Critic
    from kinetic.models.stgcn import Generator as Generator
    from kinetic.models.weights import load_published_critic as load_published_critic
    from kinetic.models.weights import load_published_generator as load_published_generator
    from kinetic.models.weights import save_published_critic as save_published_critic
    from kinetic.models.weights import save_published_generator as save_published_generator
    from kinetic.motion.motion_set import MotionSet as MotionSet
    from kinetic.motion.storage import write_motions as write_motions
    from kinetic.motion.synthetic import synthesise as synthesise
    from kinetic.pictures.animation import animate as animate
    from kinetic.pictures.show import plot as plot
    from kinetic.pictures.show import view as view
    from kinetic.pictures.strips import filmstrip as filmstrip
    from kinetic.processes import load_code as load_code
    from kinetic.runs.fit import fit as fit
    from kinetic.runs.run import load_run as load_run
    from kinetic.runs.sample import sample as sample
    from kinetic.settings.experiment import Experiment as Experiment
    from kinetic.skeleton import COCO17 as COCO17
    from kinetic.skeleton import H36M16 as H36M16
    from kinetic.skeleton import NTU25 as NTU25
    from kinetic.skeleton import NTU25_2D as NTU25_2D
    from kinetic.skeleton import Skeleton as Skeleton
    from kinetic.skeleton import SkeletonPyramid as SkeletonPyramid
    from kinetic.training.wgan import KineticGAN as KineticGAN

_NAMES = {
    "kinetic.ablation.grid": ("ablate", "table"),
    "kinetic.ablation.recipes": ("Recipe",),
    "kinetic.evaluation.evaluate": ("evaluate",),
    "kinetic.families.experiments": ("load_experiment",),
    "kinetic.families.interface": ("Family",),
    "kinetic.families.table": ("FAMILIES",),
    "kinetic.formats.reading": ("read_motions",),
    "kinetic.metrics.frechet": ("FrechetDistance", "frechet_distance"),
    "kinetic.metrics.mmd": ("mmd",),
    "kinetic.models.stgcn": ("Critic", "Generator"),
    "kinetic.models.weights": (
        "load_published_critic",
        "load_published_generator",
        "save_published_critic",
        "save_published_generator",
    ),
    "kinetic.motion.motion_set": ("MotionSet",),
    "kinetic.motion.storage": ("write_motions",),
    "kinetic.motion.synthetic": ("synthesise",),
    "kinetic.pictures.animation": ("animate",),
    "kinetic.pictures.show": ("plot", "view"),
    "kinetic.pictures.strips": ("filmstrip",),
    "kinetic.processes": ("load_code",),
    "kinetic.runs.fit": ("fit",),
    "kinetic.runs.run": ("load_run",),
    "kinetic.runs.sample": ("sample",),
    "kinetic.settings.experiment": ("Experiment",),
    "kinetic.skeleton": ("COCO17", "H36M16", "NTU25", "NTU25_2D", "Skeleton", "SkeletonPyramid"),
    "kinetic.training.wgan": ("KineticGAN",),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'kinetic' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

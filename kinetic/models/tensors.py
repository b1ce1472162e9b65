"""Tensors in files from strangers: read without running anything, and compared before they are believed."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["check_like", "named_tensors", "read_weights", "shortened", "some_names", "weights_hash"]

LARGEST_FILE = 4 * 2**30
"""Bytes of the largest weight file that is opened, packed or unpacked."""


def read_weights(path: str | os.PathLike[str]) -> Any:
    """The content of a torch file, by the weights-only loader, which builds tensors and plain values and nothing else.

    Raises ValueError, naming the file, for addresses, folders, devices, files over 4 GiB (unpacked too), files cut
    short and files that are something else; FileNotFoundError when there is none.
    """
    name = os.fspath(path)
    if "://" in name:
        raise ValueError(f"{name}: weights are read from local files, not from addresses")
    file = Path(name)
    if not file.exists():
        raise FileNotFoundError(f"{name}: there is no such file")
    if not file.is_file():
        raise ValueError(f"{name}: expected a file with weights, found a folder or device")
    if (size := file.stat().st_size) > LARGEST_FILE:
        raise ValueError(f"{name}: expected at most {LARGEST_FILE} bytes, found {size}")
    if (unpacked := _unpacked(file)) > LARGEST_FILE:
        raise ValueError(f"{name}: expected at most {LARGEST_FILE} bytes, found {size} that unpack to {unpacked}")
    if os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "").lower() not in ("", "0", "false", "no"):
        raise ValueError(
            f"{name}: not opened, because TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is set and would let the file run code"
        )
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        if found := re.search(r"GLOBAL ([\w.]{1,100})", str(error)):
            raise ValueError(
                f"{name}: holds {found[1]} beside tensors, which only code that the file names could build; where its "
                f"source is trusted, open it and save the weights alone: torch.save(checkpoint['state_dict'], path)"
            ) from error
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{name}: expected a torch file of tensors, found something else ({reason[:200]})") from error


def _unpacked(file: Path) -> int:
    """Bytes that the members of a zip archive say they unpack to; 0 for what is none."""
    try:
        with zipfile.ZipFile(file) as archive:
            return sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return 0


def named_tensors(path: str | os.PathLike[str], content: object) -> dict[str, Tensor]:
    """The content of a file as a table of plain tensors that lie in it whole. Raises ValueError, naming the file."""
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{path}: expected a table of named tensors, found {_kind(content)}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(f"{path}: expected a table of named tensors, found {_kind(value)} named {shortened(name)}")
        if value.layout is not torch.strided or value.is_nested or value.is_quantized or value.device.type != "cpu":
            raise ValueError(f"{path}: {shortened(name)} is no plain tensor of numbers")
        if value.numel() * value.itemsize > value.untyped_storage().nbytes():
            raise ValueError(
                f"{path}: {shortened(name)} claims shape {tuple(value.shape)}, more numbers than the file holds"
            )
    return dict(content)


def check_like(path: str | os.PathLike[str], name: str, value: Tensor, expected: Tensor) -> None:
    """Refuse a tensor of another shape or kind of number than expected, and NaN or infinity. Raises ValueError."""
    if value.shape != expected.shape:
        raise ValueError(f"{path}: {name} must have shape {tuple(expected.shape)}, found {tuple(value.shape)}")
    if value.dtype != expected.dtype and not (value.is_floating_point() and expected.is_floating_point()):
        raise ValueError(f"{path}: {name} must hold {expected.dtype}, found {value.dtype}")
    if not value.to(expected.dtype).isfinite().all():
        raise ValueError(f"{path}: {name} holds NaN or infinite numbers")


def weights_hash(module: nn.Module) -> str:
    """Twelve hexadecimal digits that change with any weight or statistic of a module."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]


def _kind(value: object) -> str:
    return "an empty table" if isinstance(value, Mapping) and not value else f"a {type(value).__name__}"


def shortened(name: object) -> str:
    """In one line, whatever a stranger called it."""
    text = repr(name) if not isinstance(name, str) or not name.isprintable() else name
    return text if len(text) <= 80 else f"{text[:76]} ..."


def some_names(names: Sequence[str]) -> str:
    """The first of some names in brackets, with a blank before; nothing for none."""
    return f" ({', '.join(map(shortened, names[:3]))}{', ...' if len(names) > 3 else ''})" if names else ""

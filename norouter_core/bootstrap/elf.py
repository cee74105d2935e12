"""What the beginning of a program of Linux or a BSD reveals about the machines that run it."""

from __future__ import annotations

from typing import Literal

ELF_MAGIC = b"\x7fELF"

_ARCHITECTURES = {
    (1, 1, 3): "386",
    (1, 1, 40): "arm",
    (1, 1, 62): "amd64",  # x32: 32-bit addresses, on a kernel for amd64
    (2, 1, 62): "amd64",
    (2, 1, 183): "arm64",
    (2, 1, 243): "riscv64",
    (2, 1, 21): "ppc64le",
    (2, 2, 22): "s390x",
}
"""Architectures by Go's names, by class, byte order and machine."""


def elf_architecture(header: bytes) -> str | None:
    """Return the architecture that the first 20 bytes of a program name.

    None if they are no ELF header; empty if no native agent is built for the architecture.
    """
    if len(header) < 20 or not header.startswith(ELF_MAGIC):
        return None
    order: Literal["little", "big"] = "little" if header[5] == 1 else "big"
    machine = int.from_bytes(header[18:20], order)
    return _ARCHITECTURES.get((header[4], header[5], machine), "")

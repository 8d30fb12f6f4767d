"""LLVM text to machine code in this process, through the LLVM that llvmlite carries."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import llvmlite.binding as llvm

from opiome.errors import EngineError


@cache
def target() -> tuple[str, str]:
    """The CPU name and features to compile for; ``NUMBA_CPU_NAME`` emulates a smaller CPU, as in numba."""
    name = os.environ.get("NUMBA_CPU_NAME", "")
    if name:
        return name, os.environ.get("NUMBA_CPU_FEATURES", "")
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def has_fma() -> bool:
    """Tell whether the target multiplies and adds in one rounding; without it the bits differ."""
    name, features = target()
    if features:
        return "+fma" in features.split(",") or "+neon" in features.split(",")
    return name not in {"generic", "x86-64", "core2", "nehalem", "sandybridge", "ivybridge", "x86-64-v2"}


def _machine() -> Any:  # noqa: ANN401 - llvmlite has no types
    """A new target machine for each use: an execution engine takes it over and frees it."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = target()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=name, features=features, opt=2, reloc="pic", codemodel="jitdefault"
    )


def assemble(text: str) -> bytes:
    """Compile LLVM text to an object file in memory."""
    module = llvm.parse_assembly(text)
    module.verify()
    return _machine().emit_object(module)  # type: ignore[no-any-return]


class Code:
    """Loaded machine code; ``address(name)`` stays valid as long as this object lives."""

    def __init__(self, binary: bytes) -> None:
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(binary))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Where a function begins.

        Raises:
            EngineError: the code has no such function.
        """
        found: int = self._engine.get_function_address(name)
        if not found:
            raise EngineError(f"the compiled model lacks `{name}`; empty opiome's cache folder and try again")
        return found

"""Calls of machine code by address, from code that numba compiles."""
# ruff: noqa: ANN001, ANN202, ANN401, ARG001 - numba gives these arguments their types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

W = 8  # lanes


@intrinsic
def call(_typing, address, arguments):
    """Call the kernel at ``address`` with a tuple of addresses (or integers)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        values = [builder.extract_value(args[1], i) for i in range(signature.args[1].count)]
        function = ir.FunctionType(ir.VoidType(), [word] * len(values))
        builder.call(builder.inttoptr(args[0], function.as_pointer()), values)
        return context.get_dummy_value()

    return types.void(types.int64, types.UniTuple(types.int64, len(arguments))), codegen


@intrinsic
def take(_typing, address):
    """The integer at ``address``, which grows by one: no two threads take the same."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        place = builder.inttoptr(args[0], word.as_pointer())
        return builder.atomic_rmw("add", place, ir.Constant(word, 1), "monotonic")

    return types.int64(types.int64), codegen

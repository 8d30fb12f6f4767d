"""LLVM text with loops over the rows of state vectors."""

from __future__ import annotations

from typing import Self

from opiome.engine._vector import VECTOR, Body


class Rows(Body):
    """Code with loops over the rows of state vectors."""

    def __init__(self, n: int, *, fma: bool) -> None:
        super().__init__(fma=fma)
        self.n = n
        self._loops = 0

    def rows(self, count: str | None = None) -> Row:
        """A loop over all states, or over ``count`` rows."""
        self._loops += 1
        return Row(self, self._loops, count or str(self.n))

    def absolute(self, a: str) -> str:
        """Absolute value."""
        return self.put(f"call {VECTOR} @llvm.fabs.v8f64({VECTOR} {a})")

    def maximum(self, a: str, b: str, *, keep_first_nan: bool = False) -> str:
        """The larger; a NaN in ``b`` wins, or one in ``a`` when asked."""
        if keep_first_nan:
            return self.choose(self.compare("olt", a, b), b, a)
        return self.choose(self.compare("ogt", a, b), a, b)


class Row:
    """The body of a loop over rows, as a context."""

    def __init__(self, e: Rows, number: int, count: str) -> None:
        self.e, self.k, self.count = e, number, count
        self.index = f"%i{number}"

    def __enter__(self) -> Self:
        e, k = self.e, self.k
        e.lines += [
            f"  br label %head{k}",
            f"head{k}:",
            f"  br label %test{k}",
            f"test{k}:",
            f"  {self.index} = phi i64 [ 0, %head{k} ], [ %next{k}, %loop{k} ]",
            f"  %more{k} = icmp ult i64 {self.index}, {self.count}",
            f"  br i1 %more{k}, label %loop{k}, label %done{k}",
            f"loop{k}:",
            f"  %off{k} = shl i64 {self.index}, 3",
        ]
        return self

    def __exit__(self, *_: object) -> None:
        e, k = self.e, self.k
        e.lines += [f"  %next{k} = add i64 {self.index}, 1", f"  br label %test{k}", f"done{k}:"]

    def load(self, base: str) -> str:
        """This row of a block."""
        p = self.e.put(f"getelementptr inbounds double, ptr {base}, i64 %off{self.k}")
        return self.e.put(f"load {VECTOR}, ptr {p}, align 64")

    def store(self, value: str, base: str) -> None:
        """Store this row of a block."""
        p = self.e.put(f"getelementptr inbounds double, ptr {base}, i64 %off{self.k}")
        self.e.do(f"store {VECTOR} {value}, ptr {p}, align 64")


def define(name: str, arguments: str, body: Body) -> str:
    """A function of the module; one whose body has several blocks takes ``%par``, which is never null."""
    begin = [f"define void @{name}({arguments}) #0 {{", "entry:"]
    if body.blocks:
        begin.append("  %never = icmp eq ptr %par, null")
    end = ["  br label %exit", "exit:"] if body.blocks else []
    return "\n".join([*begin, *body.lines, *end, "  ret void", "}", ""])

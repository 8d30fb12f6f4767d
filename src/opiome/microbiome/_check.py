"""What is wrong with a table whose cells are all numbers: empty samples, logarithms, ranks that repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError
from opiome.microbiome._lineage import RANKS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from opiome.microbiome._profile import Profile

__all__ = ["refuse_logarithms", "refuse_presences", "refuse_repeated", "refuse_samples", "refuse_sums"]

_SEVERAL = 2
_RANK_SUM_TOLERANCE = 0.03
_NESTED_SHARE = 0.5
_MAX_SHOWN = 10
_FEWEST_CELLS, _COUNT, _NEAR, _MOST = 10, 300.0, 0.02, 0.95
_BASES = {"10": 10.0, "2": 2.0, "e": float(np.e)}
_ALIKE = 3


def refuse_samples(samples: tuple[str, ...], total: NDArray[np.float64], owner: dict[str, Path]) -> None:
    empty = [sample for sample, amount in zip(samples, total, strict=True) if not amount > 0]
    if empty:
        raise ProfileError(
            [
                Problem(
                    f"sample {sample} holds no abundance",
                    file=owner[sample],
                    field=sample,
                    remedy="leave failed samples out of the table",
                )
                for sample in empty[:_MAX_SHOWN]
            ]
        )


def refuse_sums(samples: tuple[str, ...], total: NDArray[np.float64], owner: dict[str, Path]) -> None:
    """Fractions that sum to twice or more of the whole hold the same abundance at several ranks."""
    unit = 100.0 if np.median(total) > 10 else 1.0  # noqa: PLR2004
    times = np.round(total / unit)
    several = (
        (times >= _SEVERAL)
        & (times <= len(RANKS))
        & (np.abs(total / unit - times) < _RANK_SUM_TOLERANCE * times)
    )
    if several.all():
        raise ProfileError(
            Problem(
                f"the fractions of {samples[0]} sum to {total[0] / unit:.2f}: the same bacteria stand at"
                f" {int(times[0])} ranks",
                file=owner[samples[0]],
                field=samples[0],
                expected="one rank",
                remedy="keep the species or the genus rows only",
            )
        )


def refuse_repeated(profile: Profile) -> None:
    """Refuse a table in which a taxon repeats the sum, or the numbers, of taxa inside it."""
    members: dict[tuple[int, str], list[int]] = {}
    for i, lineage in enumerate(profile.lineages):
        for rank in range(lineage.depth):
            if lineage.names[rank]:
                members.setdefault((rank, lineage.names[rank]), []).append(i)
    by_taxon = profile.values.tocsc()
    problems = []
    for i, lineage in enumerate(profile.lineages):
        inside = members.get((lineage.depth, lineage.names[lineage.depth])) if lineage.depth >= 0 else None
        if not inside or lineage.sgb:
            continue
        own = by_taxon[:, [i]].toarray().ravel()
        below = np.asarray(by_taxon[:, inside].sum(axis=1)).ravel()
        seen = below > 0
        if (
            seen.any()
            and np.all(own[seen] >= below[seen] * 0.999)
            and (np.mean(np.abs(own[seen] - below[seen]) <= 1e-3 * own[seen]) > _NESTED_SHARE)
        ):
            problems.append(
                Problem(
                    f"{lineage.label} ({lineage.rank}) is the sum of {len(inside)} finer rows such as"
                    f" {profile.lineages[inside[0]].label}",
                    file=profile.files[0],
                    field=lineage.written,
                    expected="one rank, so that nothing counts twice",
                    remedy=f"remove the {lineage.rank} rows, or the finer ones",
                )
            )
    problems += _same_numbers(profile)
    if problems:
        raise ProfileError(problems[:_MAX_SHOWN])


def _same_numbers(profile: Profile) -> list[Problem]:
    """Rows named above the genus, without a lineage, that repeat the numbers of a genus or species.

    Three samples with numbers that differ among themselves are no chance.
    """
    columns = profile.values.tocsc()
    by_numbers: dict[tuple[bytes, bytes], int] = {}
    for i, lineage in enumerate(profile.lineages):
        if lineage.depth >= RANKS.index("genus"):
            part = slice(columns.indptr[i], columns.indptr[i + 1])
            by_numbers.setdefault((columns.indices[part].tobytes(), columns.data[part].tobytes()), i)
    problems = []
    for i, lineage in enumerate(profile.lineages):
        if not 0 <= lineage.depth < RANKS.index("genus") or sum(map(bool, lineage.names)) > 1:
            continue
        part = slice(columns.indptr[i], columns.indptr[i + 1])
        if len(np.unique(columns.data[part])) < _ALIKE:
            continue
        twin = by_numbers.get((columns.indices[part].tobytes(), columns.data[part].tobytes()))
        if twin is not None:
            problems.append(
                Problem(
                    f"{lineage.label} ({lineage.rank}) has the numbers of {profile.lineages[twin].label}",
                    file=profile.files[0],
                    field=lineage.written,
                    expected="one rank, so that nothing counts twice",
                    remedy=f"remove the {lineage.rank} rows, or the finer ones",
                )
            )
    return problems


def refuse_presences(values: csr_array, path: Path) -> None:
    """Refuse a table of zeros and ones: presence says nothing about abundance."""
    if values.shape[1] > _ALIKE and values.nnz and bool(np.all(values.data == 1.0)):
        raise ProfileError(
            Problem(
                "holds only zeros and ones",
                file=path,
                expected="reads or fractions",
                remedy="pass the table before it was turned into presences",
            )
        )


def refuse_logarithms(values: csr_array, path: Path) -> None:
    """Refuse logarithms of counts plus one: raised again, nearly all small ones are whole numbers."""
    data = values.data[values.data > 0]
    if not len(data) or np.all(data == np.round(data)) or data.max() > 40:  # noqa: PLR2004 (2^40 reads)
        return
    for name, base in _BASES.items():
        counts = base**data - 1.0
        small = counts[counts < _COUNT]
        whole = np.abs(small - np.round(small)) < _NEAR * np.maximum(1.0, small / 20.0)
        if len(small) >= _FEWEST_CELLS and np.mean(whole & (np.round(small) > 0)) > _MOST:
            raise ProfileError(
                Problem(
                    f"holds logarithms (base {name}) of counts",
                    file=path,
                    expected="reads or fractions",
                    remedy="pass the table before logarithms were taken",
                )
            )

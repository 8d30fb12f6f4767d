"""Bacterial load: how much there is of everything, which no sequencing table tells.

Fractions alone cannot say whether one guild grew or the others shrank. A load measured beside them (flow
cytometry, qPCR, spiked-in cells) turns fractions into amounts; without it the model's own mass holds for
everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opiome.errors import Problem, ProfileError
from opiome.microbiome._metadata import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from opiome.microbiome._metadata import Metadata

__all__ = ["Load", "measured_load"]

_FEWEST = 5
_LARGEST_LOG = 16.0  # no stool has ten cells per gram, and none has 1e16
_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Load:
    """Bacteria per gram of stool: ``values`` (n_samples,), NaN where not measured.

    ``unit`` is ``cells`` (per gram) or ``relative`` (the reference group is 1); ``logarithmic`` says that the
    column held decimal logarithms.
    """

    values: NDArray[np.float64]
    unit: str
    logarithmic: bool

    @property
    def column(self) -> str:
        """Its name in the tables."""
        return "load_cells_per_g" if self.unit == "cells" else "load_ratio"

    @property
    def told(self) -> str:
        """What it is, for people."""
        unit = "cells per gram" if self.unit == "cells" else "times that of the reference group"
        read = ", read from decimal logarithms" if self.logarithmic else ""
        known = int(np.isfinite(self.values).sum())
        return f"{unit}{read}, for {known} of {len(self.values)} samples"


def measured_load(
    metadata: Metadata | None,
    column: str | None,
    unit: str,
    *,
    members: NDArray[np.bool_] | None,
    samples: Sequence[str],
    subjects: Sequence[str],
) -> Load | None:
    """Read a column of loads; None without one.

    Raises ProfileError for cells that are no positive number, for values that can be neither cells per gram
    nor their logarithms, and where relative loads have no reference group of five people.
    """
    if column is None:
        return None
    if metadata is None:
        raise ProfileError(Problem("--load needs --metadata", field=column))
    cells = metadata.column(column)
    values = np.array([np.nan if (value := number(cell)) is None else value for cell in cells])
    bad = [i for i, cell in enumerate(cells) if cell is not None and not values[i] > 0]
    if bad:
        raise ProfileError(
            [
                Problem(
                    f"the load of sample {samples[i]} is {cells[i]!r}",
                    file=metadata.file,
                    line=metadata.lines[i] if metadata.lines else None,
                    field=column,
                    expected="a number above 0, or nothing",
                )
                for i in bad[:_SHOWN]
            ]
        )
    if not np.isfinite(values).any():
        raise ProfileError(Problem("holds no load", file=metadata.file, field=column))
    logarithmic = bool(unit == "cells" and np.nanmax(values) < _LARGEST_LOG)
    if logarithmic:
        values = 10.0**values
    if unit == "relative":
        values = values / _of_reference(values, members, subjects, metadata, column)
    elif np.nanmedian(values) < 1e6:  # noqa: PLR2004 (a thousandth of a percent of what stool holds)
        raise ProfileError(
            Problem(
                f"the median load is {np.nanmedian(values):.3g}",
                file=metadata.file,
                field=column,
                expected="cells per gram of stool, about 1e10 to 1e12, or their decimal logarithms",
                remedy="pass --load-unit relative with --reference for other units, such as qPCR copies",
            )
        )
    return Load(values, unit, logarithmic)


def _of_reference(
    values: NDArray[np.float64],
    members: NDArray[np.bool_] | None,
    subjects: Sequence[str],
    metadata: Metadata,
    column: str,
) -> float:
    """The geometric mean of the people of the reference group."""
    own = np.isfinite(values) & (np.zeros(len(values), dtype=bool) if members is None else members)
    people = sorted({subjects[int(i)] for i in np.flatnonzero(own)})
    if len(people) < _FEWEST:
        raise ProfileError(
            Problem(
                f"{len(people)} people of the reference group have a load",
                file=metadata.file,
                field=column,
                expected=f"at least {_FEWEST}, whose mean load counts as 1",
                remedy="pass --reference COLUMN=VALUE for healthy people of the same table",
            )
        )
    who = np.array(subjects, dtype=object)
    return float(np.exp(np.mean([np.log(values[own & (who == person)]).mean() for person in people])))

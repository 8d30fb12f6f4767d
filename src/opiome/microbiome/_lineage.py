"""Names of taxa as pipelines write them, read into one lineage.

Understood: SILVA (``d__``, ``D_5__``), Greengenes 1 and 2 (``k__``/``d__``, bare epithets, numbered
suffixes), GTDB (letter suffixes), MetaPhlAn 3 and 4 (``k__..|s__..|t__SGB..``, names of bins), RDP-like
lists without prefixes, and bare NCBI names of genera and species.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["RANKS", "Lineage", "genus_key", "parse_lineage", "species_key"]

RANKS = ("domain", "phylum", "class", "order", "family", "genus", "species")
_PREFIX = re.compile(r"^\s*(?:D_(\d+)__|(sk|[dkpcofgst]\d?)__)(.*)$", re.IGNORECASE)
_SPECIES = RANKS.index("species")
_LETTER = {"d": 0, "k": 0, "sk": 0, "p": 1, "c": 2, "o": 3, "f": 4, "g": 5, "s": 6}
_EMPTY = re.compile(
    r"^(_*|na|nan|none|other|others|root|unassigned|unclassified|ambiguous[_ ]taxa"
    r"|incertae[_ ]sedis|.*[_ ]incertae[_ ]sedis"
    r"|.*metagenome|uncultured.*|unidentified.*|unknown.*|.*[_ ]unclassified|unclassified[_ ].*)$",
    re.IGNORECASE,
)
_BIN = re.compile(r"(?:^|_)SGB(\d+)(?:_group)?$")
_SUFFIXES = (("aceae", 4), ("ales", 3))
_HIGHER = {
    **dict.fromkeys(("Firmicutes", "Bacteroidetes", "Actinobacteria", "Proteobacteria"), 1),
    **dict.fromkeys(("Clostridia", "Bacilli", "Bacteroidia", "Negativicutes", "Lentisphaeria"), 2),
    **dict.fromkeys(
        ("Alphaproteobacteria", "Betaproteobacteria", "Gammaproteobacteria", "Erysipelotrichia"), 2
    ),
    **dict.fromkeys(("Bacteria", "Archaea", "Eukaryota", "Viruses"), 0),
}
_GENUS_SUFFIX = re.compile(r"^(\[?[A-Z][a-z]+\]?)(?:[_ ][A-Z]{1,2})?(?:[_ ]\d{3,})?[_ ](?=[a-z])")
_PLAIN_GENUS = re.compile(
    r"^[A-Za-z.\-]+(?:_\d+|_[A-Z]{1,2}(?:_\d+)?|_[IVXl]+[ab]?|.*(?:_group|UCG.*|_sensu_stricto.*))$"
)  # the third are clusters of Clostridium as RDP names them: IV, XlVa
_VIRUS = re.compile(r"(phage|virus|viroid)(es)?([_ ]|$)", re.IGNORECASE)
_UNPLACED = re.compile(r"^(?:uncultured|unclassified|unidentified)[_ ](?=\[?[A-Z][a-z])")
_BARE = re.compile(r"^(?:Candidatus[_ ])?\[?[A-Z][A-Za-z0-9.\-]+\]?(?:[_ /\-].*)?$")


@dataclass(frozen=True, slots=True)
class Lineage:
    """A taxon: ``names`` by rank (empty where not known), its MetaPhlAn bin, and the name as written."""

    names: tuple[str, str, str, str, str, str, str]
    written: str
    sgb: str = ""

    @property
    def genus(self) -> str:
        """The genus, or an empty string."""
        return self.names[5]

    @property
    def family(self) -> str:
        """The family, or an empty string."""
        return self.names[4]

    @property
    def species(self) -> str:
        """The binomial with a space, or an empty string."""
        return self.names[6]

    @property
    def species_as_written(self) -> str:
        """The species part of the name as written, for lists that name bins; may be empty."""
        found = re.search(r"s__([^|;]*)", self.written)
        if found:
            return found[1].strip()
        return "" if "__" in self.written or ";" in self.written else self.written.strip()

    @property
    def depth(self) -> int:
        """The index in :data:`RANKS` of the finest name; -1 when there is none."""
        for rank in range(_SPECIES, -1, -1):
            if self.names[rank]:
                return rank
        return -1

    @property
    def rank(self) -> str:
        """The finest rank that is named, or ``unknown``."""
        return RANKS[self.depth] if self.depth >= 0 else "unknown"

    @property
    def label(self) -> str:
        """The finest name, for people."""
        if self.depth >= 0:
            name = self.names[self.depth]
            return f"{name} (SGB{self.sgb})" if self.sgb and self.depth < _SPECIES else name
        return self.written

    @property
    def bacterial(self) -> bool:
        """False for hosts, fungi, protists and viruses; True where the domain is not told."""
        return self.names[0].casefold() not in {
            "eukaryota",
            "eukarya",
            "viruses",
            "metazoa",
            "fungi",
            "viridiplantae",
        }


def genus_key(name: str) -> str:
    """The form in which genus and family names are compared: no brackets or case, underscores for spaces."""
    name = name.replace("[", "").replace("]", "").replace('"', "").strip().replace(" ", "_").casefold()
    return name.removeprefix("candidatus_")


def species_key(name: str) -> str:
    """The form in which species names are compared: ``Blautia_A_141781 wexlerae`` is ``blautia wexlerae``."""
    return genus_key(_GENUS_SUFFIX.sub(r"\1 ", name.strip())).replace("_", " ")


def _clean(name: str) -> str:
    name = name.strip().strip("\"'")
    return "" if _EMPTY.match(name) else name


def _bare(text: str) -> tuple[list[str], str]:
    """Read a name without ranks: a genus, a family, a binomial, or a MetaPhlAn bin."""
    names = [""] * 7
    sgb = _BIN.search(text)
    stem = _BIN.sub("", text) if sgb else text
    stem = _UNPLACED.sub("", stem.removesuffix("_unclassified").removesuffix(" unclassified").strip("_ "))
    stem = re.sub(r"^([A-Za-z]+acea)e?[_ ]incertae[_ ]sedis$", r"\1e", stem)  # RDP leaves an e out
    if _VIRUS.search(stem):
        names[0] = "Viruses"
        return names, ""
    if _EMPTY.match(stem) or re.fullmatch(r"(GGB|FGB|OFGB|CFGB)\d+", stem):
        return names, sgb[1] if sgb else ""
    plain = re.sub(r"^Candidatus[_ ]", "", stem)
    first = re.split(r"[_ ]", plain.replace("[", "").replace("]", ""), maxsplit=1)[0]
    rank = (
        _HIGHER.get(first) if first in _HIGHER else next((r for s, r in _SUFFIXES if first.endswith(s)), None)
    )
    if not _BARE.match(stem):
        return names, sgb[1] if sgb else ""
    if rank is not None and not re.search(r"(_group$|UCG|_gut_)", stem):
        names[rank] = first
    elif re.search(r"[_ ]", plain) and not _PLAIN_GENUS.match(plain.replace(" ", "_")):
        names[5] = first
        names[6] = plain.replace("_", " ")
    else:
        names[5] = plain
    return names, sgb[1] if sgb else ""


def _binomial(genus: str, species: str) -> str:
    words = species.replace("_", " ").replace("[", "").replace("]", "").strip()
    if not words or re.fullmatch(r"(sp|bacterium)\.?", words):
        return ""
    if words[0].islower() and genus and not words.startswith("uncultured"):
        return f"{genus.replace('_', ' ')} {words}"
    return re.sub(r"^Candidatus ", "", words)


@lru_cache(maxsize=200_000)
def parse_lineage(text: str) -> Lineage:
    """Read a taxon as a table writes it; never fails: what is no taxon has no known rank."""
    separator = "|" if "|" in text and ("__" in text or ";" not in text) else ";"
    parts = [part for part in text.split(separator) if part.strip()] if separator in text else [text]
    names, sgb, matched = _prefixed(parts)
    if not matched and len(parts) > 1:
        for rank, part in enumerate(parts[: len(RANKS)]):
            names[rank] = _clean(part)
    elif not matched:
        bare, sgb = _bare(text.strip().strip('"'))
        return Lineage(tuple(bare), text, sgb)  # type: ignore[arg-type]
    species = names[_SPECIES]
    unplaced = species and (not any(names[:_SPECIES]) or (not names[5] and "_" in species))
    if unplaced or _BIN.search(species):
        bare, bin_number = _bare(species)
        sgb = sgb or bin_number
        names[_SPECIES] = ""
        names = [name or other for name, other in zip(names, bare, strict=True)]
    else:
        names[_SPECIES] = _binomial(names[5], _clean(species))
    if re.fullmatch(r"GGB\d+", names[5]):
        names[5] = ""
    return Lineage(tuple(names), text, sgb)  # type: ignore[arg-type]


def _prefixed(parts: list[str]) -> tuple[list[str], str, bool]:
    """Read parts such as ``g__Blautia`` or ``D_5__Blautia``: names by rank, bin, and whether any was one."""
    names = [""] * len(RANKS)
    sgb = ""
    matched = False
    for part in parts:
        hit = _PREFIX.match(part)
        if hit is None:
            continue
        matched = True
        letter = (hit[2] or "").lower()
        if letter.startswith("t"):
            found = _BIN.search(hit[3])
            sgb = found[1] if found else sgb
            continue
        rank = int(hit[1]) if hit[1] else _LETTER.get(letter.rstrip("0123456789"), _SPECIES)
        if rank < len(names) and not names[rank]:
            names[rank] = hit[3].strip() if rank == _SPECIES else _clean(hit[3])
    return names, sgb, matched

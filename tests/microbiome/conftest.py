"""One small data set, written in every format that opiome reads."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from opiome.streams import uniform

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"

SAMPLES = ("s1", "s2", "s3")
TAXA = tuple(
    ("Bacteria", *line.split())
    for line in """
Bacteroidota Bacteroidia Bacteroidales Bacteroidaceae Bacteroides Bacteroides_uniformis
Firmicutes Clostridia Oscillospirales Ruminococcaceae Faecalibacterium Faecalibacterium_prausnitzii
Actinobacteria Actinomycetia Bifidobacteriales Bifidobacteriaceae Bifidobacterium Bifidobacterium_longum
Verrucomicrobia Verrucomicrobiae Verrucomicrobiales Akkermansiaceae Akkermansia Akkermansia_muciniphila
Firmicutes Bacilli Lactobacillales Enterococcaceae Enterococcus Enterococcus_faecalis
Proteobacteria Gammaproteobacteria Enterobacterales Enterobacteriaceae Escherichia Escherichia_coli
Desulfobacterota Desulfovibrionia Desulfovibrionales Desulfovibrionaceae Bilophila Bilophila_wadsworthia
""".strip().splitlines()
)
TAXA = tuple((*taxon[:6], taxon[6].replace("_", " ")) for taxon in TAXA)
COUNTS = np.array([
    [4000, 3000, 800, 200, 1000, 700, 300],
    [5000, 2500, 1500, 0, 500, 400, 100],
    [2000, 5000, 600, 1200, 600, 500, 100],
], dtype=float)  # fmt: skip
FRACTIONS = COUNTS / COUNTS.sum(axis=1, keepdims=True)


def lineage(taxon, mark=";", letters="kpcofgs", ranks=7):
    return mark.join(
        f"{letter}__{name.replace(' ', '_')}" for letter, name in zip(letters, taxon[:ranks], strict=False)
    )


def table(cell="{:.0f}", values=COUNTS, names=None, mark="\t", corner="taxon"):
    names = names or [taxon[5] for taxon in TAXA]
    rows = [mark.join([corner, *SAMPLES])]
    rows += [mark.join([name, *(cell.format(v) for v in values[:, i])]) for i, name in enumerate(names)]
    return "\n".join(rows) + "\n"


def biom_table(*, metadata=True):
    from biom import Table

    extra = [{"taxonomy": list(lineage(t, "|").split("|"))} for t in TAXA] if metadata else None
    names = [f"otu{i}" for i in range(len(TAXA))]
    return Table(COUNTS.T, names, list(SAMPLES), observation_metadata=extra)


def hdf5_bytes(made):
    import h5py

    store = io.BytesIO()
    with h5py.File(store, "w") as file:
        made.to_hdf5(file, "test")
    return store.getvalue()


def qza(path, kind, member, content, extra=()):
    uid = "0f6a1c9e-0000-4000-8000-000000000000"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{uid}/metadata.yaml", f"uuid: {uid}\ntype: {kind}\nformat: x\n")
        archive.writestr(f"{uid}/data/{member}", content)
        for name, data in extra:
            archive.writestr(name, data)
    return path


def taxonomy_tsv():
    rows = ["Feature ID\tTaxon\tConfidence"]
    rows += [f"otu{i}\t{'; '.join(lineage(t, '|').split('|'))}\t0.99" for i, t in enumerate(TAXA)]
    return "\n".join(rows) + "\n"


def metaphlan(samples=(0, 1, 2), *, version="#mpa_vJan21_CHOCOPhlAnSGB_202103", unknown=20.0, bins=True):
    head = "clade_name\t" + "\t".join(SAMPLES[i] for i in samples)
    rows = {"UNCLASSIFIED": [unknown] * len(samples), "k__Bacteria": [100.0 - unknown] * len(samples)}
    for k, taxon in enumerate(TAXA):
        share = [(100.0 - unknown) * FRACTIONS[i, k] for i in samples]
        for depth in range(2, 8):
            rows[lineage(taxon, "|", ranks=depth)] = share
        if bins:
            rows[lineage(taxon, "|") + f"|t__SGB{990000 + k}"] = share
    for taxon_a in TAXA:  # two members of one phylum: the phylum row is their sum
        key = lineage(taxon_a, "|", ranks=2)
        rows[key] = [
            sum((100.0 - unknown) * FRACTIONS[i, k] for k, t in enumerate(TAXA) if t[1] == taxon_a[1])
            for i in samples
        ]
    body = [name + "\t" + "\t".join(f"{v:.6f}" for v in cells) for name, cells in rows.items()]
    return "\n".join([version, head, *body]) + "\n"


def kraken(sample, columns=6, unclassified=500, host=300):
    total = COUNTS[sample].sum() + unclassified + host
    out = []

    def add(reads, direct, code, taxid, name, level):  # noqa: PLR0917 (the columns of the report)
        middle = [] if columns == 6 else ["10", "9"]
        out.append(
            "\t".join(
                [
                    f"{100 * reads / total:6.2f}",
                    f"{reads:.0f}",
                    f"{direct:.0f}",
                    *middle,
                    code,
                    str(taxid),
                    "  " * level + name,
                ]
            )
        )

    add(unclassified, unclassified, "U", 0, "unclassified", 0)
    add(total - unclassified, 0, "R", 1, "root", 0)
    add(COUNTS[sample].sum(), 0, "D", 2, "Bacteria", 1)
    for k, taxon in enumerate(TAXA):
        reads = COUNTS[sample, k]
        for level, (code, name) in enumerate(zip("PCOFG", taxon[1:6], strict=True), start=2):
            add(reads, 0, code, 1000 + 10 * k + level, name, level)
        add(reads, reads, "S", 5000 + k, taxon[6], 7)
    add(host, 0, "D", 2759, "Eukaryota", 1)
    add(host, host, "S", 9606, "Homo sapiens", 2)
    return "\n".join(out) + "\n"


def people(write, n=24, repeats=2):
    """``n`` people, the first half of group A; two samples each; group B has more Enterobacteriaceae."""
    u = uniform(5, "test", np.arange(n * repeats)[:, None], draw=np.arange(7)[None, :])
    base = np.array([4000, 3000, 900, 200, 300, 100, 100.0])
    counts = np.round(base * np.exp(u - 0.5))
    who = np.repeat(np.arange(n), repeats)
    counts[who >= n // 2, 5] *= 12
    rows = ["sample\t" + "\t".join(t[5] for t in TAXA)]
    rows += [f"p{who[i]}_{i}\t" + "\t".join(f"{c:.0f}" for c in row) for i, row in enumerate(counts)]
    told = ["sample\tsubject\tvisit\tgroup\tkit\tage\tsex\tnote"]
    told += [
        f"p{p}_{i}\tp{p}\t{i % repeats}\t{'A' if p < n // 2 else 'B'}\t{'x' if p % 2 else 'y'}\t{60 + p}"
        f"\t{'F' if p % 3 else 'M'}\tNA"
        for i, p in enumerate(who)
    ]
    return write("people.tsv", "\n".join(rows)), write("told.tsv", "\n".join(told))


@pytest.fixture
def shared():
    if not SHARED.is_dir():
        pytest.skip("the public data sets are not beside the checkout (../shared/data)")
    return SHARED


@pytest.fixture
def genera(tmp_path):
    path = tmp_path / "genera.tsv"
    path.write_text(table(), encoding="utf-8")
    return path


@pytest.fixture
def write(tmp_path):
    def to(name, content):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return to


@pytest.fixture
def made():
    """The builders of this file."""
    import types

    return types.SimpleNamespace(
        SAMPLES=SAMPLES,
        TAXA=TAXA,
        COUNTS=COUNTS,
        FRACTIONS=FRACTIONS,
        lineage=lineage,
        table=table,
        biom_table=biom_table,
        hdf5_bytes=hdf5_bytes,
        qza=qza,
        taxonomy_tsv=taxonomy_tsv,
        metaphlan=metaphlan,
        kraken=kraken,
        people=people,
    )

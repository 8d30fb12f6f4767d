"""The words of ``docs/microbiome.md``; ``microbiome.py`` puts in the numbers."""

from __future__ import annotations

GUIDE = """# Stool profiles in, virtual patients out

<!-- Written by qualification/microbiome.py; change the words in qualification/_microbiome_page.py. -->

`opiome profile` takes the table that a sequencing pipeline made and gives guilds, measures, a report, and a cohort file
whose patients carry those bacteria.

```console
$ opiome profile genera.tsv --metadata samples.tsv --out my-cohort
$ opiome profile table.qza taxonomy.qza --out my-cohort
$ opiome profile *.kreport --out my-cohort --patients 1000 --seed 7
```

A study then says `population: my-cohort/cohort.parquet`.

## What does it read?

BIOM 1.0 and 2.1, QIIME 2 artefacts (`.qza`, read as archives and never unpacked to disk), MetaPhlAn 2 to 4 (single and
merged), Kraken 2 reports, Bracken (single and combined), and text tables of genera, species or features with a taxonomy,
in either orientation, gzipped or not. The format is found by content, never by file name. Names may be spelled as in SILVA,
Greengenes 1 and 2, GTDB, NCBI or MetaPhlAn (with bins).

What is wrong is refused with file, line, column, sample and remedy, all problems at once, and nothing is left half-written:
cut files, cells that are no numbers >= 0, samples that stand twice, turned tables, several ranks in one table, metadata that do
not match, archives that reach outside themselves or unpack to hundreds of times their size, and tables that do not look
like stool.

## What comes out?

| file | what |
|---|---|
| `report.html` | guild bars, ordination, distributions, coverage, quality flags, definitions; one file, no scripts |
| `cohort.parquet` | one row per virtual patient: `composition_G1` .. `composition_G7` (fractions, positive, sum 1), `observed_G*` (as seen), `subject`, `weight`, `time`, measures, covariates by the model's ids, `metadata_*` |
| `changes.parquet` | each person's first sample against every later one: log2 changes of guilds and measures, for calibration |
| `guilds.tsv`, `measures.tsv`, `flags.tsv`, `unmapped.tsv` | per sample, and the taxa in no guild by abundance |
| `distribution.json` | with `--patients`: the fitted distribution |
| `manifest.json` | hashes of the files, versions, rules, counts |

## Which rules are applied?

- **Guilds.** `taxa_guilds.tsv` (version {version}) gives each taxon shares of guilds, from species to genus to family; a
  MetaPhlAn bin counts as the genus that GTDB gives it. There is no guild for the rest. `basis` says whether a share comes from
  cultured members or was taken over from the family. Methanogens, fungi and hosts are known and in no guild.
- **G3 is wide.** The seven guilds have no place of their own for bacteria that ferment fibre, starch or sugars to acetate,
  formate, lactate and hydrogen without butyrate (*Blautia*, *Ruminococcus*, *Dorea*, Christensenellaceae). By their products they
  are lactate and acetate producers, and so they count there beside *Bifidobacterium* and *Lactobacillus*.
- **Zeros** become 65 % of the sample's detection limit (one read, or the smallest fraction) where logarithms are taken, and in
  `composition_G*`; `observed_G*` keep them (Martin-Fernandez 2003).
- **Shallow samples** (`--min-depth`, 1000 reads) get measures but make no patient; they are listed.
- **Relative or absolute.** Tables are relative. With `--load COLUMN` (cells per gram) the cohort file carries the load; without
  it nothing is said about it.
- **Repeated samples** of a person stay together: `subject` is kept, each sample weighs one over their number, fits and
  references take one value per person (the mean in log-ratio space), `--per person` makes one patient of them.
- **Drawn people** come from a logistic-normal distribution in isometric log-ratio coordinates, with the variation between
  samples of one person taken out. Person 17 is the same whoever else is drawn.
- **Batches** are reported (PERMANOVA), never corrected away.

## What is measured?

{measures}

## How much of real tables is placed?

{coverage}

`ag-fecal.biom` is one 16S sample of 1000 reads whose pipeline named no genus for 31 of 100; no mapping can place those by
genus. Of the reads with a genus nearly all are placed. Classified abundance is 100 %; what a pipeline could not classify is set apart.

Mean guild fractions of the mapped part, in %:

{guilds}

The tables differ in people, in laboratory and in what their pipelines can name; the differences between them are not biology alone.

## Are the published findings in the data?

### Favourable and unfavourable species (TOPOSCORE), 499 people with lung cancer

Survival is judged on the patients whose `Cohort` is not `Disc`: the others trained the score.

{scores}

{score_text}

### The score recounted from species

{counts}

{why}

{detail}

### Constipated and healthy people (MARS), person medians

{acids}

{shifts}

{model}

## What does not agree?

{disagreements}
- Counts of listed species in the samples profiled first, as told above.
"""


def MODEL(ratios: dict[str, float]) -> str:  # noqa: N802 (a page part, like GUIDE)
    """What the model gives when only transit is slowed, beside the measured ratios."""
    del ratios
    return ""

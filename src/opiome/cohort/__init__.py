"""Who takes part: covariates, between-subject variability and the untreated steady state of each person."""

from opiome.cohort._build import build, parameters_of, people
from opiome.cohort._cohort import Cohort
from opiome.cohort._covariates import correlations, draw_covariates
from opiome.cohort._marginal import DISTRIBUTIONS, Marginal, marginals
from opiome.cohort._parameters import Variation, individual, variations
from opiome.cohort._profiles import Profiles

__all__ = [
    "DISTRIBUTIONS",
    "Cohort",
    "Marginal",
    "Profiles",
    "Variation",
    "build",
    "correlations",
    "draw_covariates",
    "individual",
    "marginals",
    "parameters_of",
    "people",
    "variations",
]

"""Intervals, tests and correlations: what a score is worth."""

from data._lazy import attach

_NAMES = {
    "Bootstrap": "analysis.statistics.bootstrap",
    "Comparison": "analysis.statistics.bootstrap",
    "Correlation": "analysis.statistics.correlation",
    "FEW_FAMILIES": "analysis.statistics.correlation",
    "Discoveries": "analysis.statistics.multiple",
    "Moments": "analysis.statistics.bootstrap",
    "PermutationTest": "analysis.statistics.permutation",
    "Selection": "analysis.statistics.selection",
    "circular_shifts": "analysis.statistics.permutation",
    "compare_models": "analysis.statistics.bootstrap",
    "correlate": "analysis.statistics.correlation",
    "fdr": "analysis.statistics.multiple",
    "group_permutations": "analysis.statistics.permutation",
    "hierarchical_bootstrap": "analysis.statistics.bootstrap",
    "leave_one_family_out": "analysis.statistics.correlation",
    "max_statistic": "analysis.statistics.multiple",
    "moments": "analysis.statistics.bootstrap",
    "paired": "analysis.statistics.bootstrap",
    "recentred": "analysis.statistics.bootstrap",
    "widening": "analysis.statistics.bootstrap",
    "permutation_p": "analysis.statistics.multiple",
    "permutation_test": "analysis.statistics.permutation",
    "select_layer": "analysis.statistics.selection",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)

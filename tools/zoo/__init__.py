"""The tiny zoo: small models trained from nothing on public-domain prose, and the script that trains them again."""

from data._lazy import attach

_NAMES = {
    "RECIPES": "analysis.models.zoo.recipes",
    "Recipe": "analysis.models.zoo.recipes",
    "documents": "tools.zoo.text",
    "train": "analysis.models.zoo.train",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)

"""Weights that were never trained, in six ways, and trained weights with noise: by seed, tensor by tensor.

Each tensor draws from its own generator, seeded by the variant's seed and the tensor's name, so that a tensor's numbers do not
depend on which others there are.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

import numpy as np

from analysis.models.variants.spec import SCHEMES
from data.errors import BrainLensError, unknown

__all__ = ["drawn", "fit_mixture", "layer_of", "noisy", "untrained"]

COMPONENTS, BINS, ROUNDS = (
    4,
    256,
    40,
)  # of the Gaussian mixture, of the histogram it is fitted to, of EM
SHARED = 256
"""Different values that a hashed tensor has at most."""
_BLOCK = re.compile(r"(?:^|[._])l?(\d+)(?=\.|$)")
_EMBEDDING = re.compile(
    r"emb|\bwte\b|\bwpe\b|\bshared\b|^w\.weight$|\.w\.weight$|position|tokens_embed"
)


def layer_of(name: str) -> int | None:
    """The layer a tensor belongs to: 0 for embeddings, 1..L for blocks, None for the rest (final norm, head).

    Examples
    --------
    >>> [layer_of(n) for n in ("transformer.h.3.mlp.weight", "transformer.wte.weight", "rnn.weight_hh_l1", "lm_head.weight")]
    [4, 0, 2, None]
    """
    if match := _BLOCK.search(name):
        return int(match[1]) + 1
    return 0 if _EMBEDDING.search(name) else None


def untrained(module, scheme: str, seed: int, *, fresh: Callable | None = None):
    """The module as if it had never been trained.

    Parameters
    ----------
    module : torch.nn.Module or None
        The trained one; changed in place but for ``init`` and ``blocks``.
    scheme : str
        init: ``fresh()`` under the seed. permute: the numbers of each tensor in a random order (its values stay the same
        multiset). gaussian: N(mean, sd) of each tensor. mixture: from :func:`fit_mixture` of each tensor (weight compression,
        adapted from Geiger, Schrimpf et al. 2022, who cluster convolution kernels). hashed: each weight is one of the tensor's
        :data:`SHARED` quantiles, by a hash of its place (Chen et al. 2015). blocks: ``fresh()`` with the trained embeddings
        put back.
    """
    import torch

    from analysis.models.seeds import seeded

    if scheme in ("init", "blocks"):
        assert fresh is not None  # what these two begin with
        with seeded(seed):
            new = fresh()
        if scheme == "blocks":
            trained = dict(module.named_parameters())
            with torch.no_grad():
                for name, value in new.named_parameters():
                    if layer_of(name) == 0:
                        value.copy_(trained[name])
        return new
    if scheme not in ("permute", "gaussian", "mixture", "hashed"):
        raise unknown("untrained scheme", scheme, SCHEMES)
    with torch.no_grad():
        for name, value in module.named_parameters():
            rng = _generator(seed, name)
            values = value.detach().cpu().float().numpy()
            new = (
                rng.permutation(values.ravel()).reshape(values.shape)
                if scheme == "permute"
                else drawn(values, scheme, rng)
            )
            value.copy_(torch.from_numpy(new))
    return module


def noisy(module, layers: str, sd: float, seed: int):
    """Gaussian noise on the weights of some layers: w + sd * std(w) * N(0, 1), tensor by tensor, in place.

    Parameters
    ----------
    layers : str
        ``all`` tensors; ``lower`` or ``upper`` half of the blocks; ``lower-third``, ``middle-third`` or ``upper-third``; a layer
        ``3`` or a range ``3-7``. Behind any of them ``.matrices``, or ``.gains`` for gains and biases (tensors of one dimension).

    Raises
    ------
    BrainLensError
        Where the model has no such layer, or nothing of that kind in it.
    """
    import torch

    where, _, what = layers.partition(".")
    placed = {name: layer_of(name) for name, _ in module.named_parameters()}
    top = max((layer for layer in placed.values() if layer is not None), default=0)
    if where == "all":
        chosen = set(placed)
    else:
        wanted = _noised(where, top)
        chosen = {name for name, layer in placed.items() if layer in wanted}
        if not chosen:
            raise unknown(
                "layers of the noise",
                layers,
                ("all", "lower", "upper", f"0-{top}"),
                remedy=f"The model has blocks 1 to {top}",
            )
    if what:
        chosen = {
            name
            for name, value in module.named_parameters()
            if name in chosen and (value.dim() > 1) == (what == "matrices")
        }
        if not chosen:
            raise BrainLensError(
                f"The model has no {what} in the layers {where!r}",
                remedy=f"Leave .{what} away, or choose other layers",
            )
    with torch.no_grad():
        for name, value in module.named_parameters():
            if name in chosen:
                drawn_noise = _generator(seed, name).standard_normal(
                    tuple(value.shape), dtype=np.float32
                )
                value.add_(
                    torch.from_numpy(drawn_noise).to(value.device),
                    alpha=sd * float(value.float().std(correction=0)),
                )
    return module


def _noised(layers: str, top: int) -> range:
    """The layers that a name means in a model of ``top`` blocks; empty where there are none such.

    Thirds are equal numbers of blocks, the middle one centred, so that they differ in depth and not in the number of weights.

    Examples
    --------
    >>> [list(_noised(f"{third}-third", 5)) for third in ("lower", "middle", "upper")]
    [[1], [3], [5]]
    >>> list(_noised("middle-third", 30)) == list(range(11, 21))
    True
    """
    if layers.endswith("-third"):
        third = top // 3
        start = {"lower-third": 0, "middle-third": (top - third) // 2, "upper-third": top - third}
        return range(1 + start[layers], 1 + start[layers] + third)
    half = (top + 1) // 2
    low, high = {"lower": (1, half), "upper": (half + 1, top)}.get(layers) or _range(layers)
    return range(low, high + 1) if high <= top else range(0)


def _range(layers: str) -> tuple[int, int]:
    low, _, high = layers.partition("-")
    return int(low), int(high or low)


def _generator(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def drawn(values: np.ndarray, scheme: str, rng: np.random.Generator) -> np.ndarray:
    """New numbers in the shape of ``values``: ``gaussian`` (its mean and standard deviation), ``mixture`` or ``hashed``."""
    if scheme == "hashed":
        shared = np.quantile(values.astype(np.float64), (np.arange(SHARED) + 0.5) / SHARED)
        return shared[rng.integers(SHARED, size=values.shape)].astype(np.float32)
    if scheme == "gaussian":
        return rng.normal(
            values.mean(dtype=np.float64), values.std(dtype=np.float64), values.shape
        ).astype(np.float32)
    weights, means, sds = fit_mixture(values)
    which = rng.choice(len(weights), size=values.shape, p=weights).astype(np.intp)
    return (means[which] + sds[which] * rng.standard_normal(values.shape)).astype(np.float32)


def fit_mixture(
    values: np.ndarray, components: int = COMPONENTS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A one-dimensional Gaussian mixture, fitted by EM to a histogram of the values.

    Returns
    -------
    weights, means, sds : ndarray, shape (components,)
        Fewer components where there are fewer different values. The mixture's mean and variance are those of the values.
    """
    flat = np.asarray(values, np.float64).ravel()
    if not np.isfinite(flat).all():
        raise BrainLensError("A weight is not a finite number", remedy="Fetch the model again")
    if flat.min() == flat.max():
        return np.ones(1), flat[:1].copy(), np.zeros(1)
    counts, edges = np.histogram(flat, bins=BINS)
    x = (edges[:-1] + edges[1:]) / 2
    share = counts / counts.sum()
    step = edges[1] - edges[0]
    means = np.quantile(flat, (np.arange(components) + 0.5) / components)
    sds, weights = np.full(components, flat.std() + step), np.full(components, 1 / components)
    sds *= np.geomspace(0.3, 1.5, components)
    for _ in range(ROUNDS):
        logs = (
            np.log(weights) - np.log(sds) - 0.5 * ((x[:, None] - means) / sds) ** 2
        )  # (bin, component)
        odds = np.exp(logs - logs.max(axis=1, keepdims=True))
        odds *= (share / odds.sum(axis=1))[:, None]
        weights = np.maximum(odds.sum(axis=0), 1e-12)
        means = (odds * x[:, None]).sum(axis=0) / weights
        sds = np.sqrt(
            np.maximum((odds * (x[:, None] - means) ** 2).sum(axis=0) / weights, (step / 4) ** 2)
        )
        weights = weights / weights.sum()
    mean = weights @ means  # the histogram's bins moved the moments a little: put them right
    spread = np.sqrt(weights @ (sds**2 + means**2) - mean**2)
    scale = flat.std() / spread
    return weights, flat.mean() + (means - mean) * scale, sds * scale

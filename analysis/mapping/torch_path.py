"""The products of scoring on a torch device: the same formulas, every penalty evaluated, nothing pruned.

Eigendecompositions (on a card those of large matrices) and triangles are made on the device in float64, and so is everything
that grows with the number of targets in float32, at full precision (no TF32). Penalties within ``TIE`` of each other are decided
in float64 on the CPU.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from analysis.mapping.group_out import GroupPenalties
from analysis.mapping.ols import Linear
from analysis.mapping.ridge import TIE, InnerFold, Penalties
from data.errors import BrainLensError

__all__ = ["BLOCK", "FEEDERS", "on_device", "torch_device", "torch_eigh", "torch_roots"]

_first = threading.Lock()

BLOCK = 16384
"""Targets at a time: few and large transfers."""
FEEDERS = 8
"""Threads that feed a card."""
SMALL = 1024
"""Rows below which a core decomposes a matrix sooner than a card."""


def torch_device(name: str):
    """The torch device behind ``"torch"`` (its CPU) or ``"cuda"`` / ``"cuda:1"``.

    Raises
    ------
    BrainLensError
        Where torch sees no GPU.
    """
    import torch

    if name == "torch":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise BrainLensError(
            f"device={name!r}, but torch finds no GPU",
            choices=["cpu", "torch"],
            remedy="Choose device='cpu'",
        )
    chosen = torch.device(name)
    with (
        _first
    ):  # torch loads the card's solver at the first call, and two threads must not do so at once
        torch.linalg.cholesky(torch.ones(1, 1, device=chosen))
    return chosen


def torch_eigh(device):
    """``numpy.linalg.eigh`` in float64, on the device where the matrix is large enough for a card."""
    import torch

    def eigh(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if device.type != "cpu" and len(matrix) < SMALL:
            return np.linalg.eigh(matrix)
        lam, q = torch.linalg.eigh(torch.as_tensor(matrix, device=device))
        return lam.cpu().numpy(), q.cpu().numpy()

    return eigh


def torch_roots(device):
    """Lower triangles of the Grams of a stack of matrices (A, m, k), float64, all at once on the device."""
    import torch

    def roots(matrices: np.ndarray) -> np.ndarray:
        each = torch.as_tensor(matrices, device=device)
        return torch.linalg.cholesky(each.transpose(1, 2) @ each).cpu().numpy()

    return roots


def on_device(model, device):
    """``model`` (Penalties, Linear or InnerFold) with its products on ``device``."""
    kinds: dict[type, Any] = {
        Penalties: TorchPenalties,  # and by leave-one-group-out, its child
        Linear: TorchLinear,
        InnerFold: TorchInner,
    }
    for kind, moved in kinds.items():
        if isinstance(model, kind):
            return moved(model, device)
    raise TypeError(type(model))


class _Moved:
    def __init__(self, model, device):
        self.model, self.device = model, device
        self.still, self.dropped = getattr(model, "still", False), getattr(model, "dropped", 0)

    def tensor(self, array, dtype=np.float32):
        import torch

        return torch.as_tensor(np.ascontiguousarray(array, dtype=dtype), device=self.device)


class TorchLinear(_Moved):
    """Least squares on the device."""

    def __init__(self, model: Linear, device):
        super().__init__(model, device)
        self.out, self.solver, self.rcond = self.tensor(model.out), model.solver, model.rcond
        self.basis = None if model.basis is None else self.tensor(model.basis)

    def respond(self, train: np.ndarray, pick=None) -> tuple[np.ndarray, None, None]:
        y = self.tensor(train)
        return ((y if self.basis is None else y @ self.basis) @ self.out).cpu().numpy(), None, None


class TorchInner(_Moved):
    """One inner fold on the device."""

    def __init__(self, model: InnerFold, device):
        super().__init__(model, device)
        names = ("map",) if model.hats else ("q", "p", "weights")
        self.parts = {name: self.tensor(getattr(model, name)) for name in names}

    def errors(self, train: np.ndarray, held: np.ndarray) -> np.ndarray:
        import torch

        y, target = self.tensor(train), self.tensor(held)
        if self.model.hats:
            predicted = (y @ self.parts["map"].T).reshape(
                len(train), self.model.count, self.model.held
            )
            error = ((predicted - target[:, None]) ** 2).sum(dim=2)
        else:
            z = y @ self.parts["q"]
            error = torch.stack(
                [
                    (((z * w) @ self.parts["p"] - target) ** 2).sum(dim=1)
                    for w in self.parts["weights"]
                ],
                dim=1,
            )
        return error.cpu().numpy() / self.model.totals(held)


class TorchPenalties(_Moved):
    """Ridge on the device."""

    def __init__(self, model: Penalties, device):
        super().__init__(model, device)
        self.q, self.p, self.weights, self.omega = (
            self.tensor(a) for a in (model.q, model.p, model.weights, model.omega)
        )
        self.inverse_d = self.tensor(1 / model.mean_d)
        self.rho = self.tensor(model.rho) if model.exact else None
        panels = getattr(model, "triangles", None) or ()
        self.panels = [(start, self.tensor(panel)) for start, panel in panels]

    def respond(
        self, train: np.ndarray, pick: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        import torch

        y, inner = self.tensor(train), None
        z = y @ self.q
        if pick is None:
            error = self._errors(y, z)
            if isinstance(self.model, GroupPenalties):
                error = error.cpu().numpy()
                pick = self.model.settled(error, train)
                inner = self.model.inner(train, error, pick)
            else:
                pick = self._settled(error, train)
        scaled = self.weights[torch.as_tensor(pick, dtype=torch.long, device=self.device)]
        return ((z * scaled) @ self.p).cpu().numpy(), pick, inner

    def _errors(self, y, z):
        """(T, A) of every penalty, float32."""
        import torch

        outside = None if self.model.full else y - z @ self.q.T
        if isinstance(self.model, GroupPenalties) and self.model.triangles is not None:
            error: Any = 0
            for start, panel in self.panels:
                part = (z[:, start:] @ panel).reshape(len(z), len(self.omega), -1)
                error = error + (part * part).sum(dim=2)
            return error
        if isinstance(self.model, GroupPenalties):
            return torch.stack(
                [self._group_out(a, z, outside) for a in range(len(self.omega))], dim=1
            )
        if self.rho is None:
            error = (z * z) @ (self.omega * self.omega).T
            if outside is not None:
                error += (outside**2).sum(dim=1, keepdim=True) * self.inverse_d**2
            return error
        columns = []
        for a in range(len(self.omega)):
            c = (z * self.omega[a]) @ self.q.T
            if outside is not None:
                c += outside * self.inverse_d[a]
            columns.append((c * c) @ self.rho[:, a])
        return torch.stack(columns, dim=1)

    def _group_out(self, a: int, z, outside) -> Any:
        model = self.model
        c = (z * self.tensor(model.w[a])) @ self.q.T
        if outside is not None:
            c += outside
        return sum(
            ((c[:, rows] @ self.tensor(inverse[a].T)) ** 2).sum(dim=1)
            for rows, inverse in zip(model.groups, model.inverse, strict=True)
        )

    def _settled(self, error, train: np.ndarray) -> np.ndarray:
        import torch

        best, pick = error.min(dim=1)
        near = error <= best[:, None] * (1 + TIE)
        pick, tied = (
            pick.cpu().numpy(),
            torch.nonzero((near.sum(dim=1) > 1) & (best > 0)).ravel().cpu().numpy(),
        )
        if len(tied):
            exact = self.model.all_errors(train[tied].astype(np.float64))
            pick[tied] = np.where(near[tied].cpu().numpy(), exact, np.inf).argmin(axis=1)
        return pick

"""The network: two small stacks of 3-D convolutions, one for each patch, and what they say together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clearlung.nodules.network import PATCH

WIDTHS = (12, 24, 32, 48)
NEAR_FEATURES, WIDE_FEATURES = 64, 32
DROPOUT = 0.2


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm3d(outputs), nn.ReLU(inplace=True))


class NoduleNetwork(nn.Module):
    """Judge candidates.

    The answer to each has five numbers: the logit that it is a nodule, the logarithm of its true over its
    proposed diameter, and the way to its true center along the patch's axes in proposed diameters.
    """

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        edge = PATCH // 4
        edge = (edge + 1) // 2
        self.near = nn.Sequential(
            _block(2, a), _block(a, b, 2), _block(b, c, 2), _block(c, d), _block(d, d, 2)
        )
        self.wide = nn.Sequential(_block(2, a, 2), _block(a, b), _block(b, c, 2), _block(c, d, 2))
        self.near_features = self._features(d * edge**3, NEAR_FEATURES)
        self.wide_features = self._features(d * edge**3, WIDE_FEATURES)
        self.head = nn.Sequential(
            nn.Linear(NEAR_FEATURES + WIDE_FEATURES + 3, 64), nn.ReLU(inplace=True), nn.Linear(64, 5)
        )

    @staticmethod
    def _features(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Flatten(), nn.Dropout(DROPOUT), nn.Linear(inputs, outputs), nn.ReLU(inplace=True)
        )

    def forward(self, near: Tensor, wide: Tensor, sizes: Tensor) -> Tensor:
        """Return the answers, shape (n, 5)."""
        looked = [self.near_features(self.near(near)), self.wide_features(self.wide(wide)), sizes]
        return self.head(torch.cat(looked, dim=1))

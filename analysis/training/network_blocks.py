"""Blocks that the segmentation network and the image encoders are built of."""

from __future__ import annotations

from torch import Tensor, nn

EXPANSION = 4
"""How many times an inverted residual widens its input."""


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow without activation; a shortcut where shapes allow (MobileNetV2)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        wide = EXPANSION * inputs
        self.shortcut = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            convolution(inputs, wide),
            convolution(wide, wide, kernel=3, stride=stride, dilation=dilation, groups=wide),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, features: Tensor) -> Tensor:
        filtered: Tensor = self.body(features)
        return features + filtered if self.shortcut else filtered


def convolution(
    inputs: int, outputs: int, *, kernel: int = 1, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )

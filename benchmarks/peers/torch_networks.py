"""The published networks in PyTorch, timed: `torch_networks.py '{"network": ..., "what": "step" | "score", ...}'`.

Prints the seconds of each run as JSON. `step` is one training step (forward, loss, backward, Adam) on random images;
`score` is the forward pass of a batch without gradients.
"""

import itertools
import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional


class Residual(nn.Module):
    """A map plus its convolution."""

    def __init__(self, channels):
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, maps):
        return maps + torch.relu(self.convolution(maps))


class UNet(nn.Module):
    """jaxpick's default network (widths 32, 48, 64, 64)."""

    def __init__(self, widths=(32, 48, 64, 64)):
        super().__init__()
        self.entry = nn.Sequential(
            nn.Conv2d(4, widths[0], 3, padding=1), nn.ReLU(), Residual(widths[0])
        )
        self.down = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), Residual(b))
            for a, b in itertools.pairwise(widths)
        )
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in itertools.pairwise(widths))
        self.out = nn.ModuleList(Residual(a) for a in widths[:-1])
        self.head = nn.Conv2d(widths[0], 4, 1)

    def forward(self, images):
        maps, skips = self.entry(functional.pixel_unshuffle(images, 2)), []
        for down in self.down:
            skips.append(maps)
            maps = down(maps)
        for level in reversed(range(len(self.up))):
            doubled = functional.interpolate(self.up[level](maps), scale_factor=2)
            maps = self.out[level](torch.relu(doubled + skips[level]))
        return functional.pixel_shuffle(self.head(maps), 2)


class ParsedSegmenter(nn.Module):
    """PARSED's segmenter, Table S2."""

    def __init__(self, width=32):
        super().__init__()
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.fine, self.coarse = Residual(width), nn.Sequential(Residual(width), Residual(width))
        self.doublings = nn.ModuleList(
            nn.ConvTranspose2d(width, width, 3, stride=2, padding=1, output_padding=1)
            for _ in range(2)
        )
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, images):
        pool1 = functional.max_pool2d(self.fine(torch.relu(self.first(images))), 2)
        pool2 = functional.max_pool2d(self.coarse(pool1), 2)
        maps = pool1 + torch.relu(self.doublings[0](pool2))
        return self.head(torch.relu(self.doublings[1](maps)))


def deepem():
    """DeepEM's network for KLH, 272 px."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 51), nn.Sigmoid(), nn.AvgPool2d(3)),
        *(nn.Conv2d(6, 12, 21), nn.Sigmoid(), nn.AvgPool2d(2)),
        *(nn.Conv2d(12, 12, 10), nn.Sigmoid(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(12 * 81, 1)),
    )


def deeppicker():
    """DeepPicker's network, 64 px."""
    layers, channels = [], 1
    for filters, kernel in zip((8, 16, 32, 64), (9, 5, 3, 2), strict=True):
        layers += [nn.Conv2d(channels, filters, kernel), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Dropout(0.5), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 2)
    )


def topaz(architecture):
    """Topaz's own classifier of crops."""
    from topaz.model.classifier import LinearClassifier
    from topaz.model.factory import get_feature_extractor

    options = {"unit_scaling": 2} if architecture.startswith("conv") else {}
    return LinearClassifier(get_feature_extractor(architecture, units=32, bn=False, **options))


def cryolo(width=0.25):
    """crYOLO's first network at a quarter of its width."""
    trunk = [
        (32, 3),
        0,
        (64, 3),
        0,
        (128, 3),
        (64, 1),
        (128, 3),
        0,
        (256, 3),
        (128, 1),
        (256, 3),
        0,
    ]
    trunk += [(512, 3), (256, 1), (512, 3), (256, 1), (512, 3), (1024, 3), (512, 1), (1024, 3)]
    layers, channels = [], 1
    for layer in trunk:
        if not layer:
            layers.append(nn.MaxPool2d(2))
            continue
        maps, side = max(4 * round(layer[0] * width / 4), 4), layer[1]
        layers += [
            nn.Conv2d(channels, maps, side, padding=side // 2, bias=False),
            nn.BatchNorm2d(maps, eps=1e-3, momentum=0.01),
            nn.LeakyReLU(0.1),
        ]
        channels = maps
    return nn.Sequential(*layers, nn.Dropout(0.2), nn.Conv2d(channels, 6, 1))


NETWORKS = {
    "unet": UNet,
    "parsed": ParsedSegmenter,
    "deepem": deepem,
    "deeppicker": deeppicker,
    "topaz_conv31": lambda: topaz("conv31"),
    "topaz_resnet8": lambda: topaz("resnet8"),
    "cryolo": cryolo,
}


def timed(call, runs):
    """Return the seconds of each run after one that is not counted."""
    call()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def main(network, what, shape, runs, steps=1):
    """Time the network; `steps` calls count as one run."""
    model, images = NETWORKS[network](), torch.randn(*shape)
    parameters = sum(values.numel() for values in model.parameters())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step():
        for _ in range(steps):
            optimizer.zero_grad()
            (model(images) ** 2).mean().backward()
            optimizer.step()

    def score():
        with torch.inference_mode():
            for _ in range(steps):
                model(images)

    if what == "score":
        model.eval()
    seconds = timed(step if what == "step" else score, runs)
    return {"seconds": [second / steps for second in seconds], "parameters": parameters}


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))

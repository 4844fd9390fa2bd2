"""Turn the weights that another program released into a portable weights folder.

    python -m experiments.import_weights source=pre_train_model.h5 method=parsed
    out=weights/parsed_released
    python -m experiments.import_weights source=resnet8_u32.sav method=topaz out=weights/resnet8_u32

method=topaz reads a Topaz detector: a `.sav` that `topaz train` wrote or that topaz-em brings along
(topaz/pretrained/detector; neither Topaz nor torch is needed), or an `.npz` of its `state_dict()`.
Micrographs then are down-sampled by RELION's rule. Topaz's own detectors are under the GPL-3.

method=parsed reads PARSED's released `pre_train_model.h5` (`EXTRAS=import sh setup.sh`). The weights
are those of the network `parsed_released`, not of the paper's Table S2. Their authors allow
non-commercial use only: the card says so.
"""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experiments import _provenance
from jaxpick.io.files import InputError
from jaxpick.models.topaz_layers import NetworkSpec
from jaxpick.preprocess.topaz import TopazPreprocessSpec
from jaxpick.spec import as_plain, require
from jaxpick.weights.import_keras import read_parsed_released
from jaxpick.weights.import_topaz import read_topaz
from jaxpick.weights.portable import flatten, save_weights


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportSpec:
    """Settings of one import."""

    source: str = dataclasses.field(metadata={"help": "file of the other program"})
    out: str = dataclasses.field(metadata={"help": "folder to write"})
    method: Literal["parsed", "parsed_released", "topaz"] = dataclasses.field(
        default="parsed", metadata={"help": "whose weights they are"}
    )

    def __post_init__(self) -> None:
        require(bool(self.source), "source", self.source, "a file")
        require(bool(self.out), "out", self.out, "a folder")


def run(spec: ImportSpec) -> int:
    """Read, check and write the weights."""
    source = Path(spec.source).expanduser()
    if not source.is_file():
        raise InputError(f"{source}: expected a file with released weights, but there is none")
    if spec.method == "topaz":
        network, params = read_topaz(source)
        card = topaz_card(source, network)
    else:
        params, card = read_parsed_released(source), parsed_card(source)
    save_weights(spec.out, params, card)
    _provenance.write(Path(spec.out), spec)
    arrays = flatten(params)
    count = sum(int(np.prod(array.shape)) for array in arrays.values())
    print(f"{count} parameters in {len(arrays)} arrays -> {spec.out}")
    return 0


def parsed_card(source: Path) -> dict[str, Any]:
    """Return the card of PARSED's released weights."""
    return {
        "name": "parsed_released",
        "method": "parsed_released",
        "source": "Fudan-HQLab/PARSED, pre_train_model.h5",
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "reference": "Yao, Qian and Huang (2020), Bioinformatics 36:1252",
        "licence": "non-commercial use (as the paper states; the repository has no licence file)",
        "working_pixel_angstrom": 15.0,
    }


def topaz_card(source: Path, network: NetworkSpec) -> dict[str, Any]:
    """Return the card of a Topaz detector."""
    # RELION's rule for the scale: neither a size in working pixels nor a factor.
    working = TopazPreprocessSpec(diameter_px=None)
    return {
        "name": source.stem,
        "method": "topaz",
        "source": source.name,
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "reference": "Bepler et al. (2019), Nature Methods 16:1153",
        "licence": "the file's own; the detectors that topaz-em brings along are under the GPL-3",
        "config": {"network": as_plain(network), "working": as_plain(working)},
    }


if __name__ == "__main__":
    from experiments._hydra import main

    main(ImportSpec, run)

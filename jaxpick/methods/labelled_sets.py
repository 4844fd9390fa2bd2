"""Several labelled sets as one, and how many of their particles are learnt from.

Wang et al. (2016), DeepPicker: cross-molecule training mixes particles of one to four other
molecules in equal shares; semi-automated training takes 400, 1000 or 10,000 of the molecule's own;
iteration takes the 10,000 best of its picks. Any method can be trained so.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxpick.io.files import InputError
from jaxpick.io.split_files import PARTS, save_split
from jaxpick.methods.labelled_micrographs import (
    Labelled,
    LabelledMicrograph,
    LabelledSpec,
    ReadSet,
    Report,
    read_labelled,
)
from jaxpick.methods.labelled_spec import located
from jaxpick.methods.labelled_splits import parts_of, split_sets, split_settings
from jaxpick.parallel import is_first_host
from jaxpick.preprocess.prepare import PreprocessSpec


def read_sets(
    spec: LabelledSpec,
    working: PreprocessSpec,
    cache: Path | str,
    seed: int,
    report: Report = print,
    kept: Path | None = None,
) -> Labelled:
    """Find, match, prepare and split every set, and join them.

    Args:
        spec: which files; some must be given.
        working: how working images are made.
        cache: folder to keep them in.
        seed: of the split and of the crops.
        report: called with a sentence about each thing worth knowing.
        kept: folder of the run, whose `split.json` holds if there is one.

    Raises:
        InputError: when a set has no micrograph that can be used, or the split that was kept is of
            other files.
    """
    specs = [located(one) for one in spec.sets()]
    read = [read_labelled(one, working, cache, report) for one in specs]
    sets = [_numbered(one.micrographs, number) for number, one in enumerate(read)]
    files = split_sets(sets, spec, seed, kept)
    parts = []
    for one, micrographs in zip(specs, sets, strict=True):
        divided = parts_of(micrographs, files)
        learnt = (*divided["train"], *divided["validation"])
        limited = _limited(learnt, one.most_labels, seed, report)
        cut = len(divided["train"])
        parts.append({**divided, "train": limited[:cut], "validation": limited[cut:]})
    joined = {name: tuple(m for part in parts for m in part[name]) for name in PARTS}
    if not joined["train"]:
        raise InputError("data: no micrograph is left to train on; expected one or more")
    summary = _summary(joined, read)
    report(_sentence(summary, sum(one.num_reused for one in read)))
    return Labelled(
        train=joined["train"],
        validation=joined["validation"],
        spec=spec,
        seed=seed,
        summary=summary,
        files=tuple(files),
    )


def keep_split(out: Path, data: Any) -> None:
    """Write the split of labelled micrographs into the folder of a run; nothing for simulations."""
    if isinstance(data, Labelled) and is_first_host():
        save_split(out, split_settings(data.spec, data.seed), data.files)


def _summary(
    joined: dict[str, tuple[LabelledMicrograph, ...]], read: Sequence[ReadSet]
) -> dict[str, Any]:
    used = (*joined["train"], *joined["validation"])
    summary: dict[str, Any] = {name: [m.name for m in part] for name, part in joined.items()}
    return summary | {
        "labels": sum(len(micrograph.learnt_yx_px) for micrograph in used),
        "labels_off_the_image": sum(one.num_off for one in read),
        "unmatched": "; ".join(one.remark for one in read if one.remark),
        "left_out": [problem for one in read for problem in one.problems],
    }


def _sentence(summary: dict[str, Any], num_reused: int) -> str:
    train, validation, test = (len(summary[name]) for name in PARTS)
    tested = f", {test} kept for tests" if test else ""
    return (
        f"{summary['labels']} particles in {train} micrographs to train on and {validation} to "
        f"validate on{tested}; {num_reused} working images from the cache"
    )


def limit_labels(
    micrographs: Sequence[LabelledMicrograph], most: int, seed: int
) -> tuple[LabelledMicrograph, ...]:
    """Return the micrographs with at most so many labels to learn from in all.

    Labels with scores are picks: the best are taken, and the others are not known to be particles.
    Labels without are known particles: those not taken are no place for non-particles either.
    """
    scores = [m.score if m.score is not None else np.ones(len(m.centre_yx_px)) for m in micrographs]
    every = np.concatenate([np.zeros(0), *scores])
    if len(every) <= most:
        return tuple(micrographs)
    is_scored = bool(np.any(every != every[0]))
    order = np.argsort(-every, kind="stable")
    if not is_scored:
        order = np.random.default_rng([seed, len(every)]).permutation(len(every))
    taken = np.zeros(len(every), np.bool_)
    taken[order[:most]] = True
    parts = np.split(taken, np.cumsum([len(score) for score in scores])[:-1])
    return tuple(_kept(m, part, is_scored) for m, part in zip(micrographs, parts, strict=True))


def _kept(micrograph: LabelledMicrograph, keep: np.ndarray, is_scored: bool) -> LabelledMicrograph:
    chosen = micrograph.centre_yx_px[keep]
    if not is_scored:
        return dataclasses.replace(micrograph, positives_yx_px=chosen)
    score = None if micrograph.score is None else micrograph.score[keep]
    return dataclasses.replace(micrograph, centre_yx_px=chosen, score=score)


def _limited(
    micrographs: tuple[LabelledMicrograph, ...], most: int | None, seed: int, report: Report
) -> tuple[LabelledMicrograph, ...]:
    if most is None:
        return micrographs
    limited = limit_labels(micrographs, most, seed)
    used, known = (sum(len(m.learnt_yx_px) for m in several) for several in (limited, micrographs))
    report(f"{used} of {known} particles are learnt from")
    return limited


def _numbered(micrographs: Sequence[LabelledMicrograph], number: int) -> list[LabelledMicrograph]:
    return [dataclasses.replace(micrograph, data_set=number) for micrograph in micrographs]

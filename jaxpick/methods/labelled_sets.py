"""Several labelled sets as one, and how many of their particles are learnt from.

Wang et al. (2016), DeepPicker: cross-molecule training mixes particles of one to four other
molecules in equal shares; semi-automated training takes 400, 1000 or 10,000 of the molecule's own;
iteration takes the 10,000 best of its picks. Any method can be trained so.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxpick.methods.labelled_micrographs import (
    Labelled,
    LabelledMicrograph,
    LabelledSpec,
    Report,
    read_labelled,
)
from jaxpick.preprocess.prepare import PreprocessSpec


def read_sets(
    spec: LabelledSpec,
    working: PreprocessSpec,
    cache: Path | str,
    seed: int,
    report: Report = print,
) -> Labelled:
    """Match, prepare and split every set, as `read_labelled` does one, and join them.

    Raises:
        InputError: when a set has no micrograph that can be used.
    """
    read = []
    for number, one in enumerate(spec.sets()):
        data = read_labelled(one, working, cache, seed, report)
        read.append(_numbered(_limited(data, one.most_labels, seed, report), number))
    if len(read) == 1:
        return dataclasses.replace(read[0], spec=spec)
    names = ("train", "validation", "left_out")
    summary: dict = {name: [n for data in read for n in data.summary[name]] for name in names}
    for name in ("labels", "labels_off_the_image"):
        summary[name] = sum(data.summary[name] for data in read)
    summary["unmatched"] = "; ".join(d.summary["unmatched"] for d in read if d.summary["unmatched"])
    return Labelled(
        train=tuple(m for data in read for m in data.train),
        validation=tuple(m for data in read for m in data.validation),
        spec=spec,
        seed=seed,
        summary=summary,
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


def _limited(data: Labelled, most: int | None, seed: int, report: Report) -> Labelled:
    if most is None:
        return data
    limited = limit_labels((*data.train, *data.validation), most, seed)
    used = sum(len(micrograph.learnt_yx_px) for micrograph in limited)
    report(f"{used} of {data.summary['labels']} particles are learnt from")
    cut = len(data.train)
    summary = {**data.summary, "labels": used}
    return dataclasses.replace(data, train=limited[:cut], validation=limited[cut:], summary=summary)


def _numbered(data: Labelled, number: int) -> Labelled:
    train, validation = (
        tuple(dataclasses.replace(m, data_set=number) for m in part)
        for part in (data.train, data.validation)
    )
    return dataclasses.replace(data, train=train, validation=validation)

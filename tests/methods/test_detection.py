"""YOLOv2's objective against a slow one in plain Python, and its limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpick.methods.detection import ObjectiveSpec, detection_loss
from jaxpick.spec import SpecError

STRIDE, ANCHOR, SHAPE = 16, 20.0, (4, 6)
SPEC = ObjectiveSpec()


def overlap(a, b):
    low = [max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2) for i in (0, 1)]
    high = [min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) for i in (0, 1)]
    common = max(high[0] - low[0], 0) * max(high[1] - low[1], 0)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def slow_loss(maps, example, spec=SPEC, warm_up=False):
    """Cell by cell, in the order of YOLOv2's description."""
    sums = dict.fromkeys(("centre", "size", "confidence", "class"), 0.0)
    counts = dict.fromkeys(sums, 0)
    boxes = [b for b, w in zip(example["boxes"], example["wanted"], strict=True) if w]
    others = [b for b, w in zip(example["boxes"], example["ignored"], strict=True) if w]
    uy, ux, uh, uw = example["usable"]
    for i in range(SHAPE[0]):
        for j in range(SHAPE[1]):
            t = maps[i, j]
            s = 1 / (1 + np.exp(-t[[0, 1, 4]]))
            middle = np.array([(i + 0.5) * STRIDE - 0.5, (j + 0.5) * STRIDE - 0.5])
            if abs(middle[0] - uy) > uh / 2 or abs(middle[1] - ux) > uw / 2:
                continue
            predicted = [
                (i + s[0]) * STRIDE - 0.5,
                (j + s[1]) * STRIDE - 0.5,
                ANCHOR * np.exp(t[2]),
                ANCHOR * np.exp(t[3]),
            ]
            own = [
                b
                for b in boxes
                if i * STRIDE <= b[0] + 0.5 < (i + 1) * STRIDE
                and j * STRIDE <= b[1] + 0.5 < (j + 1) * STRIDE
            ][:1]
            target = own[0] if own else [*middle, ANCHOR, ANCHOR]
            if own or warm_up:
                error = (np.array(predicted) - target) / STRIDE
                sums["centre"] += (error[:2] ** 2).sum()
                sums["size"] += (error[2:] ** 2).sum()
                counts["centre"] += 1
                counts["size"] += 1
            near = any(
                abs(middle[0] - b[0]) <= max(b[2] / 4, STRIDE / 2)
                and abs(middle[1] - b[1]) <= max(b[3] / 4, STRIDE / 2)
                for b in others
            )
            best = max([overlap(predicted, b) for b in (*boxes, *others)], default=0.0)
            if own:
                sums["confidence"] += spec.object_scale * (s[2] - overlap(predicted, own[0])) ** 2
                counts["confidence"] += 1
                logits = t[5:]
                sums["class"] += np.log(np.exp(logits - logits[0]).sum())
                counts["class"] += 1
            elif best < spec.no_object_overlap and not near:
                sums["confidence"] += spec.no_object_scale * s[2] ** 2
                counts["confidence"] += 1
    scale = {"centre": spec.coordinate_scale / 2, "size": spec.coordinate_scale / 2}
    scale |= {"confidence": 0.5, "class": spec.class_scale}
    return {name: scale[name] * sums[name] / max(counts[name], 1) for name in sums}


def scene(seed, classes=1, num_boxes=8):
    random = np.random.default_rng(seed)
    maps = random.normal(0, 1.0, (*SHAPE, 5 + classes)).astype(np.float32)
    place = random.uniform((0, 0), (STRIDE * SHAPE[0], STRIDE * SHAPE[1]), (num_boxes, 2)) - 0.5
    boxes = np.concatenate([place, random.uniform(10, 35, (num_boxes, 2))], 1)
    kind = random.integers(0, 3, num_boxes)
    return maps, {
        "boxes": boxes.astype(np.float32),
        "wanted": kind == 0,
        "ignored": kind == 1,
        "usable": np.array([33.0, 45.0, 60.0, 80.0], np.float32),
    }


def fast(maps, example, spec=SPEC, warm_up=False):
    arrays = {name: jnp.asarray(value) for name, value in example.items()}
    loss = jax.jit(lambda m, e: detection_loss(m, e, ANCHOR, STRIDE, spec, warm_up))
    return loss(jnp.asarray(maps), arrays)


@pytest.mark.parametrize("warm_up", [False, True])
@pytest.mark.parametrize(
    "spec",
    [SPEC, ObjectiveSpec(object_scale=2.0, no_object_scale=3.0, coordinate_scale=4.0)],
    ids=["5111", "others"],
)
def test_the_parts_are_those_of_the_slow_version(spec, warm_up):
    for seed in range(6):
        maps, example = scene(seed)
        parts, _ = fast(maps, example, spec, warm_up)
        for name, expected in slow_loss(maps.astype(float), example, spec, warm_up).items():
            assert float(parts[name]) == pytest.approx(expected, rel=2e-4, abs=1e-6), (seed, name)


def test_three_classes_cost_the_cross_entropy_and_one_costs_nothing():
    maps, example = scene(1, classes=3)
    spec = ObjectiveSpec(class_scale=1.7)
    parts, _ = fast(maps, example, spec)
    expected = slow_loss(maps.astype(float), example, spec)["class"]
    assert expected > 0.1 and float(parts["class"]) == pytest.approx(expected, rel=1e-4)
    assert float(fast(*scene(1))[0]["class"]) == 0.0


def perfect(example):
    """Maps that say exactly what is wanted, with a confidence of nearly 0 elsewhere."""
    maps = np.zeros((*SHAPE, 6), np.float32)
    maps[..., 4] = -20.0
    boxes = example["boxes"][example["wanted"]].astype(float)
    for box in boxes[::-1]:
        cell = np.floor((box[:2] + 0.5) / STRIDE).astype(int)
        share = (box[:2] + 0.5) / STRIDE - cell
        maps[*cell, :2] = np.log(share / (1 - share))
        maps[*cell, 2:4] = np.log(box[2:] / ANCHOR)
        maps[*cell, 4] = 20.0
    return maps


def test_the_truth_costs_nothing_and_is_all_found():
    _, example = scene(2)
    example["usable"] = np.array([31.5, 47.5, 64.0, 96.0], np.float32)
    parts, figures = fast(perfect(example), example)
    assert all(float(part) < 1e-6 for part in parts.values())
    for name in ("recall", "precision", "overlap"):
        total, weight = figures[name]
        assert float(total) == pytest.approx(float(weight), rel=1e-4) and float(weight) > 0


def test_a_well_placed_box_of_a_neighbouring_cell_is_not_punished():
    """No-object limit 0.6: half a cell off, the box of a wide particle still overlaps it by more."""
    example = {
        "boxes": np.array([[15.0, 15.0, 40.0, 40.0]], np.float32),
        "wanted": np.array([True]),
        "ignored": np.array([False]),
        "usable": np.array([31.5, 47.5, 64.0, 96.0], np.float32),
    }
    maps = perfect(example)
    maps[0, 1, :4] = [4.0, -6.0, np.log(2.0), np.log(2.0)]  # its left edge, the same size
    maps[0, 1, 4] = 20.0
    spared, _ = fast(maps, example)
    punished, _ = fast(maps, example, ObjectiveSpec(no_object_overlap=0.99))
    assert float(spared["confidence"]) < 1e-6 < 0.01 < float(punished["confidence"])


def test_no_particles_and_nothing_usable_cost_what_they_should():
    maps, example = scene(3)
    example["wanted"][:] = False
    example["ignored"][:] = False
    parts, _ = fast(maps, example)
    assert float(parts["centre"]) == float(parts["size"]) == float(parts["class"]) == 0.0
    assert float(parts["confidence"]) > 0
    example["usable"] = np.array([-100.0, -100.0, 2.0, 2.0], np.float32)
    for value in jax.tree.leaves(fast(maps, example)):
        assert float(value) == 0.0


def test_gradients_are_finite_and_agree_with_differences():
    maps, example = scene(4)
    arrays = {name: jnp.asarray(value) for name, value in example.items()}

    @jax.jit
    def total(maps):
        parts, _ = detection_loss(maps, arrays, ANCHOR, STRIDE, SPEC)
        return parts["centre"] + parts["size"] + parts["class"]

    maps = jnp.asarray(maps)
    gradient = jax.jit(jax.grad(total))(maps)
    assert np.all(np.isfinite(np.asarray(gradient)))
    direction = jnp.asarray(np.random.default_rng(5).normal(size=maps.shape), jnp.float32)
    step = 1e-2
    slope = (total(maps + step * direction) - total(maps - step * direction)) / (2 * step)
    assert float(jnp.vdot(gradient, direction)) == pytest.approx(float(slope), rel=0.01)


def test_the_overlap_that_confidence_is_to_be_passes_no_gradient():
    maps, example = scene(4)
    arrays = {name: jnp.asarray(value) for name, value in example.items()}

    def confidence(maps):
        return detection_loss(maps, arrays, ANCHOR, STRIDE, SPEC)[0]["confidence"]

    gradient = np.asarray(jax.jit(jax.grad(confidence))(jnp.asarray(maps)))
    assert np.all(gradient[..., :4] == 0) and np.any(gradient[..., 4] != 0)


def test_impossible_weights_are_refused():
    with pytest.raises(SpecError, match="object_scale"):
        ObjectiveSpec(object_scale=-1.0)
    with pytest.raises(SpecError, match="no_object_overlap"):
        ObjectiveSpec(no_object_overlap=0.0)

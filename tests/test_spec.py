"""Plain data to frozen specs and back: what is converted, what is refused, in which words."""

import dataclasses
from typing import Literal

import pytest

from jaxpick.spec import SpecError, as_plain, build, require


@dataclasses.dataclass(frozen=True, kw_only=True)
class Disc:
    kind: Literal["disc"] = "disc"
    radius_px: float = 3.0

    def __post_init__(self):
        require(self.radius_px > 0, "radius_px", self.radius_px, "a positive number")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Box:
    kind: Literal["box"] = "box"
    sides_px: tuple[int, int] = (4, 4)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    names: tuple[str, ...] = ()
    shape: Disc | Box = Disc()
    limit: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outer:
    count: int
    rate: float = 0.5
    mode: Literal["fast", "slow"] = "fast"
    is_on: bool = False
    inner: Inner = Inner()
    table: dict[str, float] = dataclasses.field(default_factory=dict)


def test_lists_become_tuples_and_whole_numbers_become_floats():
    values = {"count": 2.0, "rate": 1, "inner": {"names": ["a", "b"], "limit": 3}}
    spec = build(Outer, values)
    assert spec == Outer(count=2, rate=1.0, inner=Inner(names=("a", "b"), limit=3.0))
    assert (type(spec.count), type(spec.rate), type(spec.inner.limit)) == (int, float, float)
    assert isinstance(hash(spec.inner), int)


def test_union_member_is_chosen_by_kind():
    spec = build(Outer, {"count": 1, "inner": {"shape": {"kind": "box", "sides_px": [1, 2]}}})
    assert spec.inner.shape == Box(sides_px=(1, 2))


@pytest.mark.parametrize(
    "spec",
    [
        Outer(count=1),
        Outer(count=3, inner=Inner(shape=Box(sides_px=(5, 6)), limit=2.0), table={"a": 1.0}),
    ],
)
def test_plain_data_and_back(spec):
    assert build(Outer, as_plain(spec)) == spec


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "count: missing; it has no default"),
        (
            {"count": 1, "cuont": 2},
            "cuont: unknown setting; known here: count, inner, is_on, mode, rate, table",
        ),
        ({"count": "many"}, "count: expected a whole number, got 'many'"),
        ({"count": True}, "count: expected a whole number, got True"),
        ({"count": 1.5}, "count: expected a whole number, got 1.5"),
        ({"count": 1, "rate": "fast"}, "rate: expected a number, got 'fast'"),
        ({"count": 1, "rate": True}, "rate: expected a number, got True"),
        ({"count": 1, "is_on": 1}, "is_on: expected true or false, got 1"),
        ({"count": 1, "mode": "medium"}, "mode: expected one of 'fast', 'slow', got 'medium'"),
        ({"count": 1, "table": [1]}, "table: expected settings by name, got [1]"),
        ({"count": 1, "inner": {"names": "a"}}, "inner.names: expected a list, got 'a'"),
        ({"count": 1, "inner": {"names": ["a", 2]}}, "inner.names[1]: expected text, got 2"),
        ({"count": 1, "inner": {"limit": "x"}}, "inner.limit: expected a number, got 'x'"),
        (
            {"count": 1, "inner": {"shape": {"kind": "ring"}}},
            "inner.shape.kind: expected one of ['box', 'disc'], got 'ring'",
        ),
        (
            {"count": 1, "inner": {"shape": {"kind": "box", "sides_px": [1, 2, 3]}}},
            "inner.shape.sides_px: expected 2 values, got 3",
        ),
        (
            {"count": 1, "inner": {"shape": {"kind": "box", "radius_px": 1}}},
            "inner.shape.radius_px: unknown setting; known here: kind, sides_px",
        ),
    ],
)
def test_refusals_name_the_path_the_value_and_what_was_expected(values, message):
    with pytest.raises(SpecError) as refusal:
        build(Outer, values)
    assert str(refusal.value) == message


def test_refusal_of_a_spec_itself_names_the_whole_path():
    with pytest.raises(SpecError) as refusal:
        build(Outer, {"count": 1, "inner": {"shape": {"kind": "disc", "radius_px": -1}}})
    expected = "inner.shape.radius_px: expected a positive number, got -1.0"
    assert str(refusal.value) == expected


def test_number_in_place_of_settings_is_refused():
    with pytest.raises(SpecError, match="inner: expected settings by name, got 3"):
        build(Outer, {"count": 1, "inner": 3})


def test_values_that_are_built_already_pass():
    assert build(Outer, {"count": 1, "inner": Inner(limit=1.0)}).inner.limit == 1.0

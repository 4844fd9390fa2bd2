"""Parts of a list: disjoint, whole together, as long as each other, and never taken by surprise."""

import pytest

from jaxpick.picking.shards import VARIABLE, part_of, shard_number
from jaxpick.spec import SpecError


@pytest.mark.parametrize(("count", "shards"), [(10, 1), (10, 3), (10, 10), (3, 8), (0, 2)])
def test_parts_are_disjoint_and_together_the_list(count, shards):
    numbers = [shard_number(shards, i if shards > 1 else None) for i in range(shards)]
    parts = [part_of(range(count), shards, number) for number in numbers]
    assert sorted(item for part in parts for item in part) == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_slurms_number_is_taken_only_where_it_is_asked_for():
    array = {VARIABLE: "2"}
    assert shard_number(3, "slurm", array) == 2
    assert shard_number(3, 0, array) == 0
    assert shard_number(1, None, array) is None


@pytest.mark.parametrize(
    ("shards", "shard", "number", "sentence"),
    [
        (0, None, None, "shards: expected 1 or more, got 0"),
        (4, None, None, "shard: expected 0 to 3, or slurm, beside shards=4"),
        (4, 4, None, "shard: expected 0 to 3 of shards=4, got 4"),
        (4, -1, None, "shard: expected 0 to 3 of shards=4, got -1"),
        (1, "slurm", "0", "shard: expected shards=N beside it"),
        (4, "slurm", None, "shard=slurm: expected SLURM_ARRAY_TASK_ID from 0 to 3, as sbatch"),
        (4, "slurm", "4", "shard=slurm: expected SLURM_ARRAY_TASK_ID from 0 to 3, as sbatch"),
    ],
)
def test_a_part_that_is_none_is_refused(shards, shard, number, sentence):
    with pytest.raises(SpecError) as refused:
        shard_number(shards, shard, {} if number is None else {VARIABLE: number})
    assert str(refused.value).startswith(sentence)

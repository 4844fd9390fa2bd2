"""Training from end to end.

The default picker's step with micrographs simulated inside it, and the same step on examples that were made before:
what is between them is the simulator. Shares of the whole step are told; the target is at most 40 % on two cores, 10 %
on a GPU.
"""

from benchmarks._report import Row, main
from benchmarks._steps import compiled_steps
from benchmarks._timing import Timing, in_turn, ratios, timed

STEPS = 3


def measure(runs: int) -> list[Row]:
    """Return the step with and without the simulator, in turn."""
    whole, alone = (compiled_steps(1, is_cached, STEPS) for is_cached in (False, True))
    for steps in (whole, alone):
        timed(steps.run)
    first, second = in_turn(lambda: timed(alone.run), lambda: timed(whole.run), runs)
    share = Timing(tuple(1 - 1 / ratio for ratio in ratios(first, second).seconds)).median
    return [
        Row(
            figure=f"step on ready examples, {alone.batch_size} of them", ours=first.divided(STEPS)
        ),
        Row(
            figure=f"step that simulates its examples; the simulator's share is {100 * share:.0f} %",
            ours=second.divided(STEPS),
            target="40 %",
        ),
    ]


if __name__ == "__main__":
    main(measure, __doc__ or "", "training")

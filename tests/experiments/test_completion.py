"""Tab completion in a real bash: commands, choices and settings."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def completed(line):
    """What bash offers where the line is typed and tab is pressed."""
    script = f"""
    source conf/completion.bash
    COMP_LINE='{line}' COMP_POINT={len(line)} _jaxpick_completion
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("experiments.tra", ["experiments.train"]),
        ("experiments.train launcher=s", ["slurm"]),
        pytest.param(
            "experiments.train out=D training.log",
            ["training.log_every="],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_tab_offers_commands_choices_and_settings(words, offered):
    assert completed(f"{sys.executable} -m {words}") == offered

#!/bin/sh
# Install the peers that the benchmarks compare with, each into an environment of its own: topaz (with torch), aspire, cryojax.
# RELION is taken from the system (Debian: relion). PYTHON=... chooses the interpreter, JAXPICK_PEERS=FOLDER the place.
set -eu
folder="${JAXPICK_PEERS:-$(dirname "$0")/.environments}"
python="${PYTHON:-python3}"
for peer in topaz:topaz-em aspire:aspire cryojax:cryojax; do
    name="${peer%%:*}"
    "$python" -m venv "$folder/$name"
    "$folder/$name/bin/pip" install --quiet "${peer#*:}" || echo "$name: not installed; its rows will say missing" >&2
done

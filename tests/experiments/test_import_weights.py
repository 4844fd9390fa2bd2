"""The import command: released PARSED in, portable weights out, the same output as Keras."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.import_weights import ImportSpec, run
from jaxpick.io.files import InputError
from jaxpick.models.parsed import ParsedReleased
from jaxpick.weights.portable import load_weights


@pytest.mark.oracle
def test_imported_weights_give_the_released_output(oracles, tmp_path, capsys):
    pytest.importorskip("h5py")
    source = str(oracles / "parsed_pre_train_model.h5")
    assert run(ImportSpec(source=source, out=str(tmp_path))) == 0
    assert "353313 parameters" in capsys.readouterr().out
    params, card = load_weights(tmp_path)
    assert card["method"] == "parsed_released" and "non-commercial" in card["licence"]
    reference = np.load(oracles / "parsed_released.npz")
    image, mask = (jnp.asarray(reference[name])[None, :, :, None] for name in ("image", "mask"))
    output = jax.jit(ParsedReleased().apply)({"params": params}, image, mask)
    np.testing.assert_allclose(output[0, :, :, 0], reference["out/masked"], atol=1e-4)


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.h5"):
        run(ImportSpec(source=str(tmp_path / "none.h5"), out=str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()

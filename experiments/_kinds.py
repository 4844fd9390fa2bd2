"""Kinds that are typed for settings within others, as `method.working.kind=scaled`.

Settings of another kind start from its own defaults, wherever they come from: the command, a choice
of a group, a file of `conf/`. Plain functions; nothing here knows Hydra.
"""

import dataclasses
import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from experiments._commandline import laid_over, members, plain_defaults, spec_of
from jaxpick.spec import SpecError

Choices: TypeAlias = Mapping[str, Mapping[str, type]]


@dataclasses.dataclass(frozen=True)
class TypedKinds:
    """The kinds on a command line.

    Attributes:
        spec_type: of the command's settings.
        choices: for a field that holds a mapping, specs by name.
        typed: path and kind of each, outer ones first; kinds to be swept stand with commas between.
    """

    spec_type: type
    choices: Choices
    typed: tuple[tuple[tuple[str, ...], str], ...]

    @classmethod
    def of(cls, arguments: Sequence[str], spec_type: type, choices: Choices) -> "TypedKinds":
        """Find them among arguments."""
        found = [re.fullmatch(r"\+*([\w.]+)\.kind='?([\w,]+)'?", one) for one in arguments]
        typed = [(tuple(one[1].split(".")), one[2]) for one in found if one]
        return cls(spec_type, choices, tuple(sorted(typed, key=lambda one: len(one[0]))))

    def within(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return settings of the command, all or some, with these kinds.

        Raises:
            SpecError: when kinds are to be swept.
        """
        for path, tags in self.typed:
            of_each = [self._with_one(settings, path, tag) for tag in tags.split(",")]
            if len(of_each) > 1 and any(of_one != settings for of_one in of_each):
                raise SpecError(
                    f"{'.'.join(path)}.kind: each has settings of its own, so kinds do not sweep; "
                    f"sweep over {path[0]}= with a file of conf/{path[0]}/ for each"
                )
            settings = of_each[0]
        return settings

    def _with_one(
        self, settings: dict[str, Any], path: tuple[str, ...], tag: str
    ) -> dict[str, Any]:
        group, *rest = path
        settings = of_kind(self.spec_type, settings, path, tag)
        specs, chosen = self.choices.get(group, {}), settings.get(group)
        if not specs or not isinstance(chosen, Mapping):
            return settings
        named = specs.get(str(chosen.get("name")))
        for spec in [named] if named else specs.values():
            chosen = of_kind(spec, chosen, rest, tag)
        return {**settings, group: chosen}


def of_kind(held: Any, settings: Any, path: Sequence[str], tag: str) -> Any:
    """Return settings in which those at a path are of the `kind` that the tag names.

    Those of another kind give way to its defaults; of some settings without a kind, those that it
    knows are left. Where no such choice stands at the path, nothing changes.

    Args:
        held: type that the settings are of.
        settings: plain data, all of that type or some.
        path: names that lead to the settings of a union of specs.
        tag: the kind.
    """
    if not isinstance(settings, Mapping):
        return settings
    if not path and tag in members(held):
        if "kind" in settings:
            return laid_over(held, settings, {"kind": tag})
        known = plain_defaults(members(held)[tag])
        return {name: value for name, value in settings.items() if name in known}
    if not path:
        return settings
    spec, (name, *rest) = spec_of(held, settings.get("kind")), path
    inner = typing.get_type_hints(spec).get(name) if spec else None
    if inner is None or name not in settings:
        return settings
    return {**settings, name: of_kind(inner, settings[name], rest, tag)}

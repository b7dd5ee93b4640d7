"""Names of classes: how a string or a saved configuration becomes an object, and back.

Each family (initializers, metrics, …) keeps one :class:`Registry`; its module's ``get``, ``serialize`` and
``deserialize`` are that registry's methods.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")

# Classes and functions of the user's own, which every family looks up after its own names.
custom_objects: dict[str, Any] = {}


def register(item: Item, name: str | None = None) -> Item:
    """Make a class or function of your own known by its name, so that a saved configuration finds it again.

    Parameters
    ----------
    item : class or function
        What to register; it is returned, so that this serves as a decorator.
    name : str, optional
        The name, by default the item's own.

    Returns
    -------
    class or function
        `item`.
    """
    custom_objects[name or item.__name__] = item  # type: ignore[attr-defined]
    return item


def known_as(item: Any) -> str:
    """Return the name under which a class or function is registered, else its own."""
    return next((name for name, found in custom_objects.items() if found is item), item.__name__)


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Item], Item]:
    """Return a decorator that does what :func:`register` does; Keras's spelling.

    Parameters
    ----------
    package : str, default "Custom"
        Taken so that scripts for Keras run: names here have no packages.
    name : str, optional
        The name, by default the item's own.
    """
    if not isinstance(package, str):
        raise TypeError(
            f"register_keras_serializable: expected to be called, as in @register_keras_serializable(); "
            f"received {package!r} in place of a package's name"
        )
    return lambda item: register(item, name)


def get_custom_objects() -> dict[str, Any]:
    """Return the classes and functions of your own by name: a dictionary that may be changed, as in Keras."""
    return custom_objects


@contextmanager
def custom_object_scope(objects: Mapping[str, Any] | None) -> Iterator[None]:
    """Make classes and functions of your own known by name inside a ``with`` block.

    Parameters
    ----------
    objects : dict
        Classes and functions by name.
    """
    before = dict(custom_objects)
    custom_objects.update(objects or {})
    try:
        yield
    finally:
        custom_objects.clear()
        custom_objects.update(before)


def snake_case(name: str) -> str:
    """Turn ``MeanSquaredError`` into ``mean_squared_error`` and ``L1L2`` into ``l1l2``, as Keras does."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def closest_first(name: str, names: Iterable[str]) -> list[str]:
    """Sort `names` so that those that look most like `name` come first."""
    from difflib import SequenceMatcher

    def distance(other: str) -> float:
        return -SequenceMatcher(None, name.lower(), other.lower()).ratio()

    return sorted(names, key=lambda other: (distance(other), other))


# Every family by its kind: for what may be of another family, as a layer that serves as an activation.
families: dict[str, Registry] = {}


class Registry:
    """The classes of one family, by name.

    Parameters
    ----------
    kind : str
        What the family's members are called in messages, for example ``"initializer"``.
    base : type
        The class from which they descend.
    """

    def __init__(self, kind: str, base: type):
        self.kind = kind
        self.base = base
        self.classes: dict[str, type] = {}  # by class name: what a message lists and tests walk
        self._added: list[tuple[Any, tuple[str, ...]]] = []  # each with its aliases
        self._named = 0  # how many of those have their names below
        self._names: dict[str, Any] = {}  # by every name that is understood
        self._shown: list[str] = []  # the name of each that a message lists
        families[kind] = self

    def add(self, *aliases: str) -> Callable[[type[Item]], type[Item]]:
        """Return a decorator that enters a class by its name, its name in snake case, and `aliases`."""

        def enter(cls: type[Item]) -> type[Item]:
            self.classes[cls.__name__] = cls
            self._added.append((cls, aliases))
            return cls

        return enter

    def _name_added(self) -> None:
        """Find the names of classes: not when they are entered, which would make the package's import longer."""
        for number in range(self._named, len(self._added)):  # two threads at once find the same
            cls, aliases = self._added[number]
            snake, lower = snake_case(cls.__name__), cls.__name__.lower()
            self._shown.append(lower if lower in aliases else snake)
            for name in (cls.__name__, snake, *aliases):
                self._names[name] = cls
            self._named = number + 1

    def find(self, name: str, custom: Mapping[str, Any] | None = None) -> Any:
        """Return the class of this name.

        Raises
        ------
        ValueError
            If no class has the name; the message lists the names there are, the closest first.
        """
        self._name_added()
        for names in (custom or {}, self._names, custom_objects):
            if name in names:
                return names[name]
        known = ", ".join(closest_first(name, {*self._shown, *custom_objects}))
        raise ValueError(f"Unknown {self.kind} {name!r}; expected one of: {known}")

    def get(self, identifier: Any) -> Any:
        """Return the object that `identifier` stands for.

        Parameters
        ----------
        identifier : None, str, dict, class, or an object of the family
            A name gives an object with default settings; a dictionary is what :meth:`serialize` returned;
            None, an object and a function are returned as they are.

        Raises
        ------
        ValueError
            If the name is unknown.
        TypeError
            If `identifier` is none of these.
        """
        if isinstance(identifier, dict):
            return self.deserialize(identifier)
        if isinstance(identifier, str):
            identifier = self.find(identifier)
        if isinstance(identifier, type):
            identifier = identifier()
        if identifier is None or isinstance(identifier, self.base) or callable(identifier):
            return identifier
        raise TypeError(
            f"Expected a name, a configuration, a class or an object for the {self.kind}; received {identifier!r} "
            f"of type {type(identifier).__name__}"
        )

    @staticmethod
    def serialize(item: Any) -> Any:
        """Return what :meth:`deserialize` turns into an equal object: a name for a function, else a dictionary."""
        if item is None or isinstance(item, str):
            return item
        if hasattr(item, "get_config"):
            return {"class_name": known_as(type(item)), "config": item.get_config()}
        return item.__name__

    def deserialize(self, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Return the object described by `config`.

        Parameters
        ----------
        config : None, str or dict
            A name, or ``{"class_name": …, "config": …}``.
        custom_objects : dict, optional
            More classes and functions by name, which come before the family's own.

        Raises
        ------
        ValueError
            If the name is unknown or the dictionary has no class name.
        """
        if isinstance(config, str):
            found = self.find(config, custom_objects)
            return found() if isinstance(found, type) else found
        if not isinstance(config, dict):
            return self.get(config)
        if "class_name" not in config:
            raise ValueError(
                f"Expected the configuration of a {self.kind}, a dictionary with the keys 'class_name' and 'config'; "
                f"received {config!r}"
            )
        cls = self.find(config["class_name"], custom_objects)
        return cls.from_config(config.get("config") or {})

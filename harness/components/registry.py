"""From `{use: bm25, k1: 0.9}` to a component: names, configuration, and the way back.

`use: bm25` is the one public dataclass in `harness/components/retrievers/bm25.py`;
`use: my_module:MyClass` is a dataclass elsewhere. A field whose type is a protocol holds a
component of its own; one whose type is another dataclass holds settings, which are written without
`use`.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import logging
import pkgutil
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    ConfigDict,
    Discriminator,
    GetCoreSchemaHandler,
    Tag,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import core_schema

from harness.components import protocols, requirements
from harness.errors import HarnessError, PackageError
from harness.files.bounds import brief, why
from harness.files.wrong_values import did_you_mean, in_words, place, refused, shown

log = logging.getLogger(__name__)

KINDS: Mapping[str, tuple[type, ...]] = {
    "datasets": (protocols.DatasetSource,),
    "retrievers": (protocols.Retriever,),
    "rerankers": (protocols.Reranker,),
    "encoders": protocols.ENCODERS,
}
"""The folders that hold components, and what a component in each must be."""

PROTOCOLS = tuple(protocol for allowed in KINDS.values() for protocol in allowed)
"""What makes a dataclass a component."""

TO_MEASURE: Mapping[str, str] = {"ranx": "measuring"}
"""Packages without which no run can be measured, and what they are for."""

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)
"""How everything is read: as it is written, without unknown keys."""

KEYS, OTHER = Tag(":keys"), Tag(":other")
"""Mark the two types of what is written as a mapping, or as something else."""

BY_SHAPE = Discriminator(
    lambda value: ":keys" if isinstance(value, Mapping) or hasattr(value, "__dict__") else ":other"
)
"""Chooses between the two, so that only the faults of the one are listed."""

USES = "x-uses"
"""What stands in a JSON schema for a component: the protocols, of which it does one."""

Fault = Callable[[str, str], None]
"""Notes a fault: the path in the experiment file and what is wrong there."""


def names(kind: str) -> list[str]:
    """The components of a kind that this project brings, sorted."""
    package = importlib.import_module(f"harness.components.{kind}")
    modules = [module.name for module in pkgutil.iter_modules(package.__path__)]
    return sorted(name for name in modules if not name.startswith("_"))


def component_class(kind: str, use: str) -> type:
    """The class that `use` names; raises LookupError saying what there is instead."""
    if ":" in use:
        return _class_elsewhere(use)
    if use not in names(kind):
        raise LookupError(f"there is no {kind[:-1]} {shown(use)}{did_you_mean(use, names(kind))}")
    module = importlib.import_module(f"harness.components.{kind}.{use}")
    (found,) = (
        value
        for name, value in vars(module).items()
        if dataclasses.is_dataclass(value) and value.__module__ == module.__name__
        if not name.startswith("_")
    )
    return typing.cast("type", found)


def _class_elsewhere(use: str) -> type:
    module_name, _, class_name = use.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise LookupError(f"{shown(use)} cannot be imported: {brief(str(error))}") from error
    except (Exception, SystemExit) as error:  # what a module runs is its author's
        log.debug("%s cannot be imported", use, exc_info=True)
        raise LookupError(f"{shown(use)} cannot be imported: {why(error)}") from error
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise LookupError(f"{use!r} is not a dataclass")
    return found


def build(protocols: Sequence[type], spec: Any, path: str, fault: Fault) -> Any:
    """The component that `spec` describes, or None after noting every fault in it."""
    return validated(Annotated[Any, Use(tuple(protocols))], spec, path, fault)


def validated(hint: Any, value: Any, path: str, fault: Fault, context: Any = None) -> Any:
    """`value` checked strictly against a type; notes faults and gives None where it does not fit."""
    config = None if hasattr(hint, "model_config") else STRICT
    try:
        return TypeAdapter(hint, config=config).validate_python(value, context=context)
    except ValidationError as error:
        for loc, message in in_words(error):
            fault((path + place(loc)).removeprefix("."), message)
        return None


def with_keys(value: Any, read: Callable[[Any], Any], known: Collection[str]) -> Any:
    """What `read` gives for a mapping of known keys; raises ValidationError in our words."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected keys {', '.join(known)}, not {shown(value)}")  # noqa: TRY004
    try:
        return read(value)
    except ValidationError as error:
        raise refused(*in_words(error, known)) from None


@dataclass(frozen=True)
class Use:
    """Makes pydantic read `{use: bm25, k1: 0.9}` as a component that does one of these protocols."""

    protocols: tuple[type, ...]

    @property
    def kind(self) -> str:
        """The folder of such components."""
        return next(kind for kind, allowed in KINDS.items() if set(self.protocols) <= set(allowed))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """What it is to pydantic: a function of its own."""
        return core_schema.no_info_plain_validator_function(self.component)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Stands for all components that do it, which `experiment.json_schema` puts there."""
        return {USES: [protocol.__name__ for protocol in self.protocols]}

    def component(self, spec: Any) -> Any:
        """The component; raises ValueError, of which ValidationError is one, for what is none."""
        if dataclasses.is_dataclass(spec) and isinstance(spec, self.protocols):
            return spec
        if not isinstance(spec, Mapping) or not isinstance(spec.get("use"), str):
            example = f"{{use: {names(self.kind)[0]}, ...}}"
            raise ValueError(f"expected a {self.kind[:-1]}, such as {example}")  # noqa: TRY004
        use = spec["use"]
        try:
            cls = component_class(self.kind, use)
        except LookupError as error:
            raise refused((("use",), str(error))) from error
        try:
            self._check(use, cls)
            return settings(cls).validate_python({k: v for k, v in spec.items() if k != "use"})
        except (HarnessError, ValidationError):
            raise
        except Exception as error:  # what a class does when it is looked at is its author's
            log.debug("%s cannot be made", use, exc_info=True)
            raise ValueError(f"{use!r} cannot be made: {why(error)}") from error

    def _check(self, use: str, cls: type) -> None:
        """Raise ValidationError where the class does none of the protocols."""
        if not issubclass(cls, self.protocols):
            wanted = " or ".join(protocol.__name__ for protocol in self.protocols)
            lack = _lack(cls, self.protocols[0])
            raise refused((("use",), f"{use!r} is not a {wanted}: it {lack}"))


def _lack(cls: type, protocol: type) -> str:
    """What a class lacks to do a protocol: methods, or that it gives something else."""
    methods = [name for name in dir(protocol) if name != "gives" and not name.startswith("_")]
    missing = [f"{name}()" for name in methods if not callable(getattr(cls, name, None))]
    if missing:
        return f"lacks {', '.join(missing)}"
    return f"gives {getattr(cls, 'gives', None)!r}, not {getattr(protocol, 'gives', None)!r}"


@functools.cache
def settings(cls: Any) -> TypeAdapter[Any]:
    """What reads a mapping as the fields of a dataclass."""
    return TypeAdapter(Annotated[Any, Fields(cls)], config=STRICT)


@dataclass(frozen=True)
class Fields:
    """Makes pydantic read a mapping as a dataclass, whose fields may hold components and settings."""

    cls: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """What it is to pydantic: a mapping with these keys, and then an object."""
        hints = typing.get_type_hints(self.cls, include_extras=True)
        fields = {
            field.name: core_schema.typed_dict_field(
                handler.generate_schema(_readable(hints[field.name])),
                required=field.default is field.default_factory is dataclasses.MISSING,
            )
            for field in dataclasses.fields(self.cls)
        }
        config = core_schema.CoreConfig(strict=True, allow_inf_nan=False)
        keys = core_schema.typed_dict_schema(
            fields, cls=self.cls, extra_behavior="forbid", config=config
        )
        return core_schema.no_info_wrap_validator_function(self._made, keys)

    def _made(self, value: Any, read: Callable[[Any], Any]) -> Any:
        made = self.cls(**with_keys(value, read, [f.name for f in dataclasses.fields(self.cls)]))
        if isinstance(made, protocols.FitsModel) and (misfits := made.misfits()):
            raise refused(*(((name,), wrong) for name, wrong in misfits.items()))
        return made


def _readable(hint: Any) -> Any:
    """A field's type with what is written in a file in the place of components and settings."""
    if hint in PROTOCOLS:
        return Annotated[Any, Use((hint,))]
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return Annotated[Any, Fields(hint)]
    inner = typing.get_args(hint)
    read = tuple(map(_readable, inner))
    if read == inner:
        return hint
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return typing.get_origin(hint)[read]
    keys = [one for one, was in zip(read, inner, strict=True) if dataclasses.is_dataclass(was)]
    others: Any = typing.Union[tuple(one for one in read if one not in keys)]  # noqa: UP007
    if not keys:
        return others
    tagged = Annotated[keys[0], KEYS], Annotated[others, OTHER]
    return Annotated[typing.Union[tagged], BY_SHAPE]  # noqa: UP007


def config_of(component: Any, without: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    """The component as a mapping, every default filled in; the inverse of `build`.

    `without` are kinds of fields that are left out, such as `protocols.SPEED`.
    """
    cls = type(component)
    kind = cls.__module__.split(".")
    local = kind[:2] == ["harness", "components"] and len(kind) == 4 and kind[2] in KINDS
    config: dict[str, Any] = {"use": kind[3] if local else f"{cls.__module__}:{cls.__qualname__}"}
    for field in dataclasses.fields(component):
        if field.metadata not in without:
            config[field.name] = _plain(getattr(component, field.name), without)
    return config


def settings_of(settings: Any, without: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    """A dataclass that is no component as a mapping, every default filled in."""
    config = config_of(settings, without)
    del config["use"]
    return config


def _plain(value: Any, without: Sequence[Mapping[str, str]]) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (config_of if isinstance(value, PROTOCOLS) else settings_of)(value, without)
    if isinstance(value, tuple | list):
        return [_plain(item, without) for item in value]
    return value


def parts(component: Any) -> Iterator[Any]:
    """The component and every component inside it, settings among them, outermost first."""
    yield component
    for field in dataclasses.fields(component):
        value = getattr(component, field.name)
        for item in value if isinstance(value, tuple) else (value,):
            if dataclasses.is_dataclass(item) and not isinstance(item, type):
                yield from parts(item)


def replaced(component: Any, change: Callable[[Any], Any]) -> Any:
    """`component` with `change` applied to every component inside it, innermost first."""

    def inner(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(inner(item) for item in value)
        is_component = dataclasses.is_dataclass(value) and not isinstance(value, type)
        return replaced(value, change) if is_component else value

    fields = {f.name: inner(getattr(component, f.name)) for f in dataclasses.fields(component)}
    return change(dataclasses.replace(component, **fields))


def needs(component: Any) -> list[str]:
    """What the parts of a component need installed (`requirements`)."""
    return [need for part in parts(component) for need in getattr(type(part), "needs", ())]


def require_packages(components: Iterable[Any], also: Mapping[str, str] = TO_MEASURE) -> None:
    """Raise PackageError, with the pip line, if a package that the work needs is absent.

    That is what the components need, and `also` others, with what they are for.
    """
    wanted = dict(also)
    for component in components:
        for part in parts(component):
            for package in getattr(type(part), "needs", ()):
                wanted.setdefault(package, config_of(part)["use"])
    lacks = {need: requirements.lack(need) for need in wanted}
    missing = sorted(need for need, lack in lacks.items() if lack is not None)
    if missing:
        here = {need: f"; {lacks[need]} is here" if lacks[need] else "" for need in missing}
        listed = ", ".join(f"{need} (for {wanted[need]}{here[need]})" for need in missing)
        raise PackageError(f"Not installed: {listed}. {requirements.install_line(missing)}")

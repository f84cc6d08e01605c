"""From `{use: bm25, k1: 0.9}` to a component: names, configuration, and the way back.

`use: bm25` is the one public dataclass in `harness/components/retrievers/bm25.py`;
`use: my_module:MyClass` is a dataclass elsewhere. A field whose type is a protocol holds a
component of its own; one whose type is another dataclass holds settings, which are written without
`use`.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import logging
import pkgutil
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from harness.components import protocols, requirements
from harness.errors import HarnessError, PackageError
from harness.files.bounds import brief, why
from harness.files.wrong_values import place, shown, told

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


LISTED = 40
"""Known words that are listed; of more a list helps nobody."""

COMPARED, LONGEST = 200, 60
"""Known words that a word is compared with, and its characters: the time is the product of both."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where a known word is close, else the list of them if it is short."""
    known = sorted(known)
    few = len(known) <= COMPARED and len(word) <= LONGEST
    close = difflib.get_close_matches(word, known, n=1) if few else []
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(known)}" if 0 < len(known) <= LISTED else ""


def build(protocol: Sequence[type], spec: Any, path: str, fault: Fault) -> Any:
    """The component that `spec` describes, or None after noting every fault in it."""
    kind = next(kind for kind, allowed in KINDS.items() if set(protocol) <= set(allowed))
    if not isinstance(spec, Mapping) or not isinstance(spec.get("use"), str):
        fault(path, f"expected a {kind[:-1]}, such as {{use: {names(kind)[0]}, ...}}")
        return None
    try:
        cls = component_class(kind, spec["use"])
    except LookupError as error:
        fault(f"{path}.use", str(error))
        return None
    try:
        return _built(cls, protocol, spec, path, fault)
    except HarnessError:
        raise
    except Exception as error:  # what a class does when it is looked at is its author's
        log.debug("%s cannot be made", spec["use"], exc_info=True)
        fault(path, f"{spec['use']!r} cannot be made: {why(error)}")
        return None


def _built(
    cls: type, protocol: Sequence[type], spec: Mapping[str, Any], path: str, fault: Fault
) -> Any:
    if not issubclass(cls, tuple(protocol)):
        wanted = " or ".join(p.__name__ for p in protocol)
        fault(f"{path}.use", f"{spec['use']!r} is not a {wanted}: it {_lack(cls, protocol[0])}")
        return None
    return _build_fields(cls, spec, path, fault)


def _lack(cls: type, protocol: type) -> str:
    methods = [name for name in dir(protocol) if name != "gives" and not name.startswith("_")]
    missing = [f"{name}()" for name in methods if not callable(getattr(cls, name, None))]
    if missing:
        return f"lacks {', '.join(missing)}"
    return f"gives {getattr(cls, 'gives', None)!r}, not {getattr(protocol, 'gives', None)!r}"


def _build_fields(cls: type, spec: Mapping[str, Any], path: str, fault: Fault) -> Any:
    fields = {field.name: field for field in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    known = [*fields, "use"] if "use" in spec else list(fields)
    values: dict[str, Any] = {}
    faults: list[tuple[str, str]] = []

    def note(where: str, message: str) -> None:
        faults.append((where, message))

    for name in spec.keys() - set(known):
        note(f"{path}.{name}", f"unknown key{did_you_mean(name, fields)}")
    for name, field in fields.items():
        where = f"{path}.{name}"
        if name in spec:
            values[name] = _field_value(hints[name], spec[name], where, note)
        elif field.default is field.default_factory is dataclasses.MISSING:
            lacks = f"{spec['use']!r} needs the key" if "use" in spec else "it needs the key"
            note(path, f"{lacks} {name!r}")
    for where, message in faults:
        fault(where, message)
    if faults:
        return None
    return _made(cls, values, path, fault)


def _made(cls: type, values: Mapping[str, Any], path: str, fault: Fault) -> Any:
    """The dataclass of its fields; one that its model does not fit is noted, and given all the same."""
    try:
        made = cls(**values)
    except ValueError as error:
        fault(path, str(error))
        return None
    if isinstance(made, protocols.FitsModel):
        for name, wrong in made.misfits().items():
            fault(f"{path}.{name}", wrong)
    return made


def _field_value(hint: Any, value: Any, path: str, fault: Fault) -> Any:
    inner = typing.get_args(hint)
    settings = next((one for one in (hint, *inner) if dataclasses.is_dataclass(one)), None)
    if settings is not None and (isinstance(value, Mapping) or not inner):
        return _settings(settings, value, path, fault)
    if settings is not None:
        hint = typing.Union[tuple(one for one in inner if one is not settings)]  # noqa: UP007
    protocol = next((one for one in (hint, *inner) if one in PROTOCOLS), None)
    if protocol is None or (value is None and type(None) in inner):
        return validated(hint, value, path, fault) if protocol is None else None
    if Ellipsis not in inner:
        return build((protocol,), value, path, fault)
    if not isinstance(value, tuple):
        fault(path, f"expected a list, not {shown(value)}")
        return None
    return tuple(build((protocol,), item, f"{path}[{i}]", fault) for i, item in enumerate(value))


def _settings(cls: Any, value: Any, path: str, fault: Fault) -> Any:
    """A dataclass that is no component, of a mapping of its fields."""
    if isinstance(value, Mapping):
        return _build_fields(cls, value, path, fault)
    names = ", ".join(field.name for field in dataclasses.fields(cls))
    fault(path, f"expected keys {names}, not {shown(value)}")
    return None


def validated(hint: Any, value: Any, path: str, fault: Fault) -> Any:
    """`value` checked strictly against a type; notes faults and gives None where it does not fit."""
    strict = None if hasattr(hint, "model_config") else ConfigDict(strict=True, allow_inf_nan=False)
    try:
        return TypeAdapter(hint, config=strict).validate_python(value)
    except ValidationError as error:
        for detail in error.errors():
            fault(path + place(detail["loc"]), told(detail))
        return None


def part(model: type[BaseModel], value: Any, path: str, fault: Fault) -> Any:
    """`value` as a `model`, or None after noting every fault in it, unknown keys among them."""
    if not isinstance(value, Mapping):
        fault(path, f"expected keys {', '.join(model.model_fields)}, not {shown(value)}")
        return None
    return validated(model, _known(model, value, path, fault), path, fault)


def _known(
    model: type[BaseModel], value: Mapping[str, Any], path: str, fault: Fault
) -> dict[str, Any]:
    """`value` without the keys that the model, or a model inside it, does not have."""
    known: dict[str, Any] = {}
    for key, item in value.items():
        where = f"{path}.{key}"
        if key not in model.model_fields:
            fault(where, f"unknown key{did_you_mean(key, model.model_fields)}")
            continue
        inner = _model_of(model.model_fields[key].annotation)
        nested = inner is not None and isinstance(item, Mapping)
        known[key] = _known(inner, item, where, fault) if inner and nested else item
    return known


def _model_of(hint: Any) -> type[BaseModel] | None:
    """The model that a field holds, if it may hold one."""
    hints = typing.get_args(hint) or (hint,)
    kinds = (one for one in hints if isinstance(one, type) and issubclass(one, BaseModel))
    return next(kinds, None)


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
        told = config_of if isinstance(value, PROTOCOLS) else settings_of
        return told(value, without)
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

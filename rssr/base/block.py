"""A part of what a user writes, as a pydantic model, and its errors in one sentence."""

import os.path
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from rssr.base.errors import nearest

NAME = r"^[a-z0-9][a-z0-9_]{0,99}$"  # of data sets, models, degradations and recipes: the same on every file system
SHA256 = r"^[0-9a-fA-F]{64}$"
DECIMAL = r"^\d+(\.\d+)?$"


def _path(text: str) -> str:
    """A path; `~` is the home folder, as in a shell."""
    if not text:
        raise ValueError("a path is expected, not an empty text")
    return os.path.expanduser(text)  # noqa: PTH111, since pathlib's takes `./` off and fails for unknown users


OwnPath = Annotated[str, AfterValidator(_path)]

# What texts of a pattern look like.
_RULES = {
    NAME: "a name has lower-case letters, digits and underscores, at most 100, and begins with no underscore",
    SHA256: "64 hexadecimal digits are expected",
    DECIMAL: 'digits in quotes are expected, such as "1.5"',
}

# Of pydantic's errors, what is expected, in YAML's words; the values are those of its context.
_EXPECTED = {
    **dict.fromkeys(("model_type", "dict_type"), "a mapping of keys to values"),
    "tuple_type": "a list",
    "too_short": "an entry",
    "too_long": "a list of at most {max_length}",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "a text",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
}
_SHOWN = 4  # keys of a block that a message names


class Unquoted(str):
    """A text that may have been in quotes, which are lost: where no text is expected, it is what YAML reads.

    Attributes:
        read: what that is.
    """

    read: Any


def _read(given: Any) -> Any:
    """A value with what YAML reads in place of texts without quotes."""
    if isinstance(given, dict):
        return {key: _read(value) for key, value in given.items()}
    if isinstance(given, list):
        return [_read(value) for value in given]
    return given.read if isinstance(given, Unquoted) else given


class Block(BaseModel):
    """A part of the configuration: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _as_meant(cls, given: Any, info: ValidationInfo) -> Any:
        """Read texts without quotes where none is expected, but true and false are no numbers.

        YAML reads yes, no, on and off as true and false, which pydantic would take for 1 and 0.
        """
        kinds = {type(kind) if isinstance(kind, int) else kind for kind in _leaves(cls.model_fields[info.field_name])}
        texts = str in kinds or any(isinstance(kind, type) and issubclass(kind, Block) for kind in kinds)
        if Any in kinds or not texts:  # a block reads its own
            given = _read(given)
        if bool not in kinds and {int, float} & kinds:
            for value in given if isinstance(given, list | tuple) else [given]:
                if isinstance(value, bool):
                    raise ValueError(f"a number is expected, not {str(value).lower()}")
        return given


def _leaves(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is made of, and the values of literals."""
    inner = get_args(getattr(annotation, "annotation", annotation))
    if not inner:
        yield getattr(annotation, "annotation", annotation)
    for part in inner:
        yield from _leaves(part)


_BRANCHES = {"str": "string_", "int": "int_", "float": "float_", "bool": "bool_"}  # of a union -> their errors


def error_of(error: ValidationError) -> Mapping[str, Any]:
    """The first error of a block; an unknown key first, because the others often follow from it."""
    return min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")


def sentence(error: ValidationError, root: type[Block]) -> str:
    """The first error of a block as a sentence, see error_of()."""
    first = error_of(error)
    keys = [str(part) for part in first["loc"] if "[" not in str(part)]  # not "[key]", nor a union's branch
    if keys and first["type"].startswith(_BRANCHES.get(keys[-1], "-")):
        keys.pop()
    where = ".".join(keys)
    if first["type"] == "extra_forbidden":
        *parents, key = (str(part) for part in first["loc"])
        return f"unknown key '{where}'{nearest(key, list(_block_at(root, parents).model_fields))}"
    if first["type"] == "invalid_key" or (first["type"] == "string_type" and first["loc"][-1] == "[key]"):
        place = ".".join(keys[:-1])
        return (
            f"'{place}': " if place else ""
        ) + f"a key is a text, but YAML reads {first['input']!r}: put it in quotes"
    if first["type"] == "literal_error":
        return _unknown_value(where, first["input"], first["ctx"]["expected"])
    if first["type"] != "missing" and first["input"] is None:
        return f"'{where}' is left empty: give it a value, or remove it" if where else "it is empty"
    if first["type"] == "string_type" and not isinstance(first["input"], dict | list):
        return f"'{where}' is a text, but YAML reads {first['input']!r}: put it in quotes"
    if first["type"] == "string_pattern_mismatch" and first["ctx"]["pattern"] in _RULES:
        return f"'{where}': {_RULES[first['ctx']['pattern']]}, not {first['input']!r}"
    if first["type"] == "missing":
        changes = "or give the file that this one changes before it, as in config/config.yaml my.yaml"
        return f"'{where}' is required" + (f": add it, {changes}" if len(first["loc"]) == 1 else "")
    if first["type"] in _EXPECTED:
        message = f"{_EXPECTED[first['type']].format(**first.get('ctx', {}))} is expected"
    else:
        message = first["msg"].removeprefix("Value error, ")
        message = message[0].lower() + message[1:]
    found = "" if first["type"] == "value_error" else f", not {first['input']!r}"
    return f"'{where}': {message}{found}{_as_meant_to_be(first, root)}" if where else message


def _unknown_value(where: str, given: Any, expected: str) -> str:
    """The error about a value that is none of those that pydantic lists."""
    valid = re.findall(r"'([^']+)'", expected) or [expected]
    if given is False:
        return f"'{where}' cannot be false: remove it, or give one of {', '.join(valid)}"
    return f"'{where}': {given!r} is unknown{nearest(str(given), valid)}"


def _as_meant_to_be(error: Mapping[str, Any], root: type[Block]) -> str:
    """The end of an error about a value in place of a mapping or a list: how that is written or which keys it has."""
    key, given = error["loc"][-1], error["input"]
    if error["type"] == "too_short" and given == {}:
        return ": add one, or do not remove all of them"
    if error["type"] == "model_type":
        fields = _block_at(root, error["loc"]).model_fields
        alone = "path" if "path" in fields and isinstance(given, str) else ""
        if len(fields) == 1 and type(given) is int:  # `images` of `shards`
            alone = next((name for name, field in fields.items() if field.is_required()), "")
        if alone:
            return f": write `{key}: {{{alone}: {given}}}`"
        names = sorted(fields, key=lambda name: not fields[name].is_required())
        return f"; its keys are {', '.join(names[:_SHOWN])}{' and others' if len(names) > _SHOWN else ''}"
    if error["type"] == "tuple_type" and isinstance(given, str | int | float) and "[" not in str(key):
        several = Ellipsis in get_args(_block_at(root, error["loc"]))
        return f": write `{key}: [{given}]`" if several else ""
    if error["type"] == "dict_type" and isinstance(given, list) and "[" not in key:  # of names, not a union's branch
        if key == "metrics" and given and isinstance(given[0], str):
            return f": write each name as a key, such as `{key}: {{{given[0]}: {{}}}}`"
        return f": write `{key}: {{name: value}}`" if given else ""
    return ""


def _block_at(root: type[Block], parents: Sequence[Any]) -> type[Block]:
    """The block that a path of keys leads to."""
    block: Any = root
    for key in parents:
        if get_origin(block) in (dict, tuple):
            block = get_args(block)[1 if get_origin(block) is dict else 0]
        else:
            block = block.model_fields[key].annotation
        if type(None) in get_args(block):  # an optional block
            block = get_args(block)[0]
    return block

"""Templates as promptsource writes them: YAML with Jinja, prompt ||| answer, and answer choices."""

import os
from collections import Counter
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jinja2
import yaml
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from data_pipeline import reasons
from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.records import Draft, Reject, content_key, is_absent, scalar_text, short
from data_pipeline.sources.values.columns import is_text, text_of, value_at
from data_pipeline.sources.values.mapping import check_filters, family_key, map_label, number_of
from hunmin.errors import InputError
from hunmin.models.jinja_sandbox import RenderEndless, RenderFailed, rendered
from hunmin.section import yaml_problem
from hunmin.yaml_limits import LimitedLoader, load_yaml

SEPARATOR = "|||"
_ASIDE = "\ue000"  # stands for a separator inside a value, which is text
_RECORD = "_record"  # the variable that names the record, for `choice`


class Template(NamedTuple):
    """One template of a file."""

    index: int  # its place in the file, 0-based
    name: str
    original_task: bool  # asks what the data set was made for
    body: jinja2.Template
    choices: jinja2.Template | None


class _Loader(LimitedLoader):
    """Plain YAML, and the two tags of such files as mappings."""


def _mapping(loader: yaml.SafeLoader, node: yaml.Node) -> dict[Any, Any]:
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


for _tag in ("!Template", "!TemplateMetadata"):
    _Loader.add_constructor(_tag, _mapping)


@jinja2.pass_context
def _choice(context: jinja2.runtime.Context, items: list[Any]) -> Any:
    """One of the items: the same for the same record, wherever it is rendered."""
    return items[int(content_key(context[_RECORD]), 16) % len(items)]


def _most_frequent(items: list[Any]) -> list[Any]:
    """The items that occur most often, in order of their first occurrence."""
    counts = Counter(items)
    return [item for item, count in counts.items() if count == max(counts.values())]


def _written(value: Any) -> Any:
    """What a template writes of a value: null and NaN as little as a variable that is not there."""
    if is_absent(value):
        raise jinja2.UndefinedError("a variable that it writes has no value")
    return value


_environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, finalize=_written)
_environment.filters |= {"choice": _choice, "most_frequent": _most_frequent}
_environment.globals["zip"] = zip


def load_templates(path: str) -> list[Template]:
    """The templates of a file, in its order.

    Raises:
        InputError: no such file, not YAML of this form, or Jinja that cannot be compiled.
    """
    try:
        return _load(path, os.stat(path).st_mtime_ns)
    except OSError as error:
        raise InputError(f"templates: no file at {path} ({error.strerror})") from error


@lru_cache(maxsize=64)
def _load(path: str, mtime_ns: int) -> list[Template]:
    with open(path, encoding="utf-8") as handle:
        try:
            content = load_yaml(handle.read(), _Loader)
        except yaml.YAMLError as error:
            raise InputError(f"{path}{yaml_problem(error)}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not text in utf-8; templates are YAML in utf-8") from error
    found = content.get("templates") if isinstance(content, dict) else None
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path}: no templates; needed is a mapping under the key templates")
    return [_compiled(path, index, value) for index, value in enumerate(found.values())]


def _compiled(path: str, index: int, value: Any) -> Template:
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(name, str) or not isinstance(value.get("jinja"), str):
        raise InputError(f"{path}: template {index + 1} needs a name and a jinja text; it is {short(value)}")
    metadata = value.get("metadata") or {}
    choices = value.get("answer_choices")

    def compile_both() -> tuple[jinja2.Template, jinja2.Template | None]:
        compiled = _environment.from_string(choices) if choices else None
        return _environment.from_string(value["jinja"]), compiled

    try:
        body, compiled = rendered(compile_both, failures=(jinja2.TemplateSyntaxError,))
    except jinja2.TemplateSyntaxError as error:
        raise InputError(f"{path}: template {name}, line {error.lineno}: no Jinja ({error})") from error
    except (RenderEndless, RenderFailed) as error:
        raise InputError(f"{path}: template {name}: no Jinja that can be compiled ({error})") from error
    return Template(index, name, metadata.get("original_task") is True, body, compiled)


def chosen(templates: list[Template], source: SourceConfig, *, path: str) -> list[Template]:
    """The templates that a source uses.

    Raises:
        InputError: a name of `template_names` fits none, or none is of the original task.
    """
    for pattern in source.template_names:
        if not any(fnmatchcase(template.name, pattern) for template in templates):
            names = ", ".join(template.name for template in templates)
            raise InputError(f"{path}: no template is named {pattern}; the names are {names}")
    wanted = [template for template in templates if _wanted(template, source)]
    if not wanted:
        raise InputError(f'{path}: no template is of the original task; set template_names, as in ["*"]')
    return wanted


def _wanted(template: Template, source: SourceConfig) -> bool:
    if not source.template_names:
        return template.original_task
    return any(fnmatchcase(template.name, pattern) for pattern in source.template_names)


def parse_templated(
    record: Mapping[str, Any], source: SourceConfig, *, path: str
) -> list[Draft | Reject | None]:
    """What each template of the file makes of a record, by the template's place; None where not chosen.

    All of them are one family: the record's, unless the source names one.
    """
    check_filters(record, source)
    templates = load_templates(path)
    variables = _variables(record, source)
    family = family_key(record, source) or f"{source.name}:{variables[_RECORD]}"
    outcomes: list[Draft | Reject | None] = [None] * len(templates)
    for template in chosen(templates, source, path=path):
        try:
            outcomes[template.index] = _rendered(template, variables, family)
        except Reject as reject:
            outcomes[template.index] = reject
        except SecurityError as error:
            raise InputError(f"{path}: template {template.name} is not safe to run ({error})") from error
        except RenderEndless as error:
            raise InputError(f"{path}: template {template.name}: {error}") from error
    return outcomes


def _variables(record: Mapping[str, Any], source: SourceConfig) -> dict[str, Any]:
    """What templates read: the record's values, renamed by `columns`; a label that is a number is one."""
    values = dict(record)
    for name, spec in source.columns.items():
        values[name] = text_of(record, spec) if is_text(spec) else value_at(record, spec)
    label = values.get("label")
    if source.labels:
        label = map_label(text_of(values, "label"), source.labels)
    if isinstance(label, (str, float)) and not is_absent(label):
        number = number_of(scalar_text(label, "label").strip())
        label = int(number) if number is not None and number == number.to_integral_value() else label
    if isinstance(label, int) and label < 0:
        raise Reject(reasons.NO_ANSWER, f"label {label} means that the record has none")
    if label is not None:
        values["label"] = label
    values = {name: None if is_absent(value) else _aside(value) for name, value in values.items()}
    return values | {_RECORD: content_key(repr(sorted(record.items(), key=lambda item: item[0])))}


def _aside(value: Any) -> Any:
    return value.replace(SEPARATOR, _ASIDE) if isinstance(value, str) else value


def _rendered(template: Template, variables: dict[str, Any], family: str) -> Draft:
    failures = (jinja2.UndefinedError, SecurityError)
    try:
        if template.choices is not None:
            choices = rendered(partial(template.choices.render, variables), failures=failures)
            variables = variables | {"answer_choices": [part.strip() for part in choices.split(SEPARATOR)]}
        text = rendered(partial(template.body.render, variables), failures=failures)
    except jinja2.UndefinedError as error:
        raise Reject(reasons.MISSING_FIELD, f"template {template.name}: {error.message}") from error
    except RenderFailed as error:  # whatever its own code does with a value it was not made for
        raise Reject(reasons.TEMPLATE_NOT_APPLICABLE, f"template {template.name}: {error}") from error
    prompt, *targets = (part.strip() for part in text.split(SEPARATOR))
    targets = [target.replace(_ASIDE, SEPARATOR) for target in targets if target]
    if not prompt or not targets:
        missing = "answer" if prompt else "prompt"
        raise Reject(reasons.TEMPLATE_NOT_APPLICABLE, f"template {template.name} writes no {missing}")
    return Draft(
        answer=targets[0],
        references=list(dict.fromkeys(targets)),
        instruction=prompt.replace(_ASIDE, SEPARATOR),
        value=str(variables["label"]) if isinstance(variables.get("label"), (str, int)) else None,
        family_key=family,
    )

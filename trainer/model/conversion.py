"""How the tensors of a model's files become its parameters, and back, by transformers' own rules.

transformers 5 names and fuses weights otherwise than many files do: `embed_out` is `lm_head`, a layer's
experts are one tensor. Its rules (`transformers.conversion_mapping`) say which; here they are sorted into
groups: some tensors of the files, which together become some parameters. Whether a group can be written back
under the names that its files have is found out as it is made, before anything is trained.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import (
    Concatenate,
    MergeModulelist,
    Transpose,
    WeightConverter,
    WeightRenaming,
    apply_renamings,
    dot_natural_key,
    rename_source_key,
)

from hunmin.errors import InputError, one_line
from trainer.model.architecture import constants, language_model_on_meta, whole_model_on_meta

Shape = tuple[int, ...]
# What a rule raises where tensors are missing or have other shapes: it checks nothing itself.
RULE_ERRORS = (RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError)


@dataclass
class Group:
    """Tensors of the files that become parameters together, by one rule.

    Attributes:
        target: the whole model's name of the first parameter.
        sources: names in the files, in their order, by the pattern of the rule that they fit.
        rule: transformers' converter; None: one tensor is one parameter.
        parameters: shape of what comes out, by the language model's name.
    """

    target: str
    rule: WeightConverter | None
    sources: dict[str, list[str]] = field(default_factory=dict)
    parameters: dict[str, Shape] = field(default_factory=dict)

    @property
    def files(self) -> list[str]:
        """All names in the files."""
        return [name for names in self.sources.values() for name in names]

    @property
    def is_stack(self) -> bool:
        """Whether a parameter's rows along its first dimension come from one tensor of each pattern."""
        if self.rule is None:
            return False
        first, *others = self.rule.operations
        return (
            isinstance(first, MergeModulelist)
            and first.dim == 0
            and all(
                (isinstance(op, Concatenate) and op.dim != 0)
                or (isinstance(op, Transpose) and 0 not in (op.dim0, op.dim1))
                for op in others
            )
        )


class Layout:
    """What a folder's files hold, seen from the language model that is trained.

    Attributes:
        groups: what becomes parameters and constants of the language model.
        tied: the same of names that the model shares with another parameter: not read.
        kept: names in the files of other parts of the model, such as its eyes: exported as they are.
        unknown: names in the files that the model does not have.
    """

    def __init__(self, config: PreTrainedConfig, shapes: Mapping[str, Shape]):
        """Sort the tensors of the files, whose shapes are given by name.

        Raises:
            InputError: transformers has no such model, or a rule of its own does not fit the files.
        """
        lm = language_model_on_meta(config)
        self._whole = whole_model_on_meta(config, lm)
        self._language = _language_names(lm, self._whole)
        self._names_before_rule: dict[str, str] = {}
        stored = {name for name, _ in lm.named_parameters()} | constants(lm).keys()
        self.constants = set(constants(lm))
        self.groups: list[Group] = []
        self.tied: list[Group] = []
        self.kept: list[str] = []
        found, self.unknown = self._sort(shapes)
        for group in found:
            outputs = self._shapes_of(group, shapes)
            names = {self._language.get(name) for name in outputs}
            if names == {None}:
                self.kept += group.files
                continue
            if None in names:
                raise InputError(f"{group.files[0]}: holds weights of the language model and of another part")
            group.parameters = {self._language[name]: shape for name, shape in outputs.items()}
            self._check_way_back(group, shapes)
            (self.groups if group.parameters.keys() <= stored else self.tied).append(group)
        self._group_of = {name: group for group in self.groups for name in group.parameters}

    @property
    def shapes(self) -> dict[str, Shape]:
        """What the files give the language model, by name."""
        return {name: shape for group in self.groups for name, shape in group.parameters.items()}

    def group_of(self, name: str) -> Group:
        """The group that a parameter comes from."""
        return self._group_of[name]

    def convert(
        self, group: Group, read: Callable[[str], Tensor], members: slice = slice(None)
    ) -> dict[str, Tensor]:
        """Parameters, by the language model's name, from tensors of the files.

        Args:
            read: gives a tensor of the files.
            members: of a stack, which of its rows; the others are not read.
        """
        made = self._convert(group, read, members)
        return {self._language[name]: tensor for name, tensor in made.items()}

    def revert(self, group: Group, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors by the names they have in the files, from all the group's parameters."""
        if group.rule is None:
            return {group.files[0]: next(iter(parameters.values()))}
        back: Any = group.rule.reverse_transform()
        whole_names = {ours: theirs for theirs, ours in self._language.items() if ours in group.parameters}
        target = ""
        for name in sorted(whole_names.values(), key=dot_natural_key):
            target, pattern = back.rename_source_key(name)
            back.add_tensor(target, name, pattern, parameters[self._language[name]])
        made = back.convert(target, model=self._whole, config=self._whole.config)
        return {self._names_before_rule[name]: _alone(tensor) for name, tensor in made.items()}

    def _convert(
        self, group: Group, read: Callable[[str], Tensor], members: slice = slice(None)
    ) -> dict[str, Tensor]:
        """By the whole model's names."""
        if group.rule is None:
            return {group.target: read(group.files[0])}
        rule: Any = deepcopy(group.rule)
        for pattern, names in group.sources.items():
            for name in names[members]:
                rule.add_tensor(group.target, name, pattern, read(name))
        made = rule.convert(group.target, model=self._whole, config=self._whole.config)
        return {name: _alone(tensor) for name, tensor in made.items()}

    def _sort(self, shapes: Mapping[str, Shape]) -> tuple[list[Group], list[str]]:
        """Groups, and names that fit nothing, as transformers sorts them when it loads."""
        rules = get_model_conversion_mapping(self._whole)
        renamings = [rule for rule in rules if isinstance(rule, WeightRenaming)]
        converters = [rule for rule in rules if isinstance(rule, WeightConverter)]
        of_pattern = {pattern: rule for rule in converters for pattern in rule.source_patterns}
        state: dict[str, Any] = self._whole.state_dict()
        prefix = self._whole.base_model_prefix
        ignored = self._whole._keys_to_ignore_on_load_unexpected or ()
        groups: dict[str, Group] = {}
        unknown = []
        for name in sorted(shapes, key=dot_natural_key):
            target, pattern = rename_source_key(name, renamings, converters, prefix, state)
            if target not in state and name in state:  # a rule for older files, which these are not
                target, pattern = rename_source_key(name, [], [], prefix, state)
            if target not in state:
                if not any(re.search(known, target) for known in ignored) and "inv_freq" not in name:
                    unknown.append(name)
                continue
            rule = None if pattern is None else of_pattern[pattern]
            group = groups.setdefault(target, Group(target, rule))
            if group.rule is not rule or (rule is None and group.sources):
                raise InputError(
                    f"{name} and {group.files[0]} are both {target}; take a folder with one of them"
                )
            group.sources.setdefault(pattern or name, []).append(name)
            if rule is not None:
                self._names_before_rule[apply_renamings(name, renamings)] = name
        return list(groups.values()), unknown

    def _shapes_of(self, group: Group, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
        """What comes out of a group, by the whole model's names: its rule is gone through without memory."""
        if group.rule is None:
            return {group.target: shapes[group.files[0]]}

        def empty(name: str) -> Tensor:
            return torch.empty(shapes[name], device="meta")

        try:
            made = self._convert(group, empty)
        except RULE_ERRORS as error:
            raise InputError(
                f"{self._told(group)} does not fit the others ({one_line(error)}); the folder lacks some of "
                "them, or its config.json is another's"
            ) from error
        return {name: tuple(tensor.shape) for name, tensor in made.items()}

    def _check_way_back(self, group: Group, shapes: Mapping[str, Shape]) -> None:
        """What training makes of a group can be written as its files were, gone through without memory."""
        if group.rule is None:
            return
        empty = {name: torch.empty(shape, device="meta") for name, shape in group.parameters.items()}
        try:
            made = {name: tuple(tensor.shape) for name, tensor in self.revert(group, empty).items()}
        except (*RULE_ERRORS, NotImplementedError) as error:
            raise InputError(f"{self._told(group)} cannot be written back ({one_line(error)})") from error
        if made != {name: shapes[name] for name in group.files}:
            raise InputError(f"{self._told(group)} would be written back as {', '.join(list(made)[:3])} …")

    def _told(self, group: Group) -> str:
        assert group.rule is not None
        operations = ", ".join(type(op).__name__ for op in group.rule.operations)
        return (
            f"{type(self._whole).__name__}: {group.files[0]}, which with {len(group.files) - 1} more becomes "
            f"{group.target} by transformers' {operations},"
        )


def _alone(tensor: Tensor | Sequence[Tensor]) -> Tensor:
    """Rules give a tensor, or a list of one."""
    return tensor if isinstance(tensor, Tensor) else tensor[0]


def _language_names(lm: PreTrainedModel, whole: PreTrainedModel) -> dict[str, str]:
    """The language model's names by those of the whole model."""
    names = lm.state_dict().keys()
    if lm is whole:
        return {name: name for name in names}
    decoder = next(
        (name for name, module in whole.named_modules() if type(module) is type(lm.base_model)), None
    )
    if decoder is None:
        raise InputError(
            f"{type(whole).__name__} does not hold a {type(lm.base_model).__name__}; take another model"
        )
    own = f"{lm.base_model_prefix}."
    return {f"{decoder}.{name.removeprefix(own)}" if name.startswith(own) else name: name for name in names}

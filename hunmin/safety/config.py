"""The `data.safety` section of a config."""

from typing import Literal, Self

from pydantic import Field, model_validator

from hunmin.section import Section, later_content

PersonalKind = Literal[
    "resident_number",
    "foreigner_number",
    "phone",
    "email",
    "card",
    "account",
    "address",
    "passport",
    "driver_licence",
]


class PersonalDataConfig(Section):
    """What becomes of resident registration numbers, telephone numbers, e-mail addresses, cards, accounts."""

    action: Literal["mask", "drop", "keep"] = Field(
        default="mask", description="mask what is found, drop its row, or keep it as it is"
    )
    kinds: tuple[PersonalKind, ...] = Field(
        (), description="kinds that are looked for; none named: all kinds"
    )
    allow: tuple[str, ...] = later_content(
        (),
        description="what may stand: numbers, addresses, or all e-mail addresses of a domain, `@example.kr`",
    )
    code: bool = later_content(
        False, description="also look inside code: fenced blocks, backquotes, lines of programs"
    )


class SafetyConfig(Section):
    """Harmful content, by lexicon and an optional trained classifier, on each field and on the pair."""

    action: Literal["drop", "flag", "keep"] = Field(
        default="drop", description="rows with harmful text: drop them, keep them with a flag, or keep them"
    )
    bias: Literal["drop", "flag", "keep"] = Field(
        default="flag",
        description="rows with bias against a group: drop them, keep them with a flag, or keep them",
    )
    classifier: str | None = Field(
        None, description="folder of a classifier, made by `make harm-model`, to stand beside the word lists"
    )
    threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="classifier's score from which a text is harmful; absent: as chosen in its training",
    )
    personal_data: PersonalDataConfig = Field(default_factory=lambda: PersonalDataConfig.model_validate({}))

    @model_validator(mode="after")
    def _threshold_of_something(self) -> Self:
        if self.threshold is not None and self.classifier is None:
            raise ValueError("threshold is the classifier's; name a classifier, or remove threshold")
        return self

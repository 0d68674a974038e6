"""The `data.safety` section of a config."""

from typing import Literal, Self

from pydantic import Field, model_validator

from hunmin.section import Section

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

    action: Literal["mask", "drop", "keep"] = "mask"
    kinds: tuple[PersonalKind, ...] = Field((), description="absent: all kinds")


class SafetyConfig(Section):
    """Harmful content, by lexicon and an optional trained classifier, on each field and on the pair."""

    action: Literal["drop", "flag", "keep"] = "drop"
    bias: Literal["drop", "flag", "keep"] = "flag"
    classifier: str | None = Field(None, description="a folder made by `make harm-model`")
    threshold: float | None = Field(None, gt=0, lt=1, description="absent: as chosen in training")
    personal_data: PersonalDataConfig = Field(default_factory=lambda: PersonalDataConfig.model_validate({}))

    @model_validator(mode="after")
    def _threshold_of_something(self) -> Self:
        if self.threshold is not None and self.classifier is None:
            raise ValueError("threshold is the classifier's; name a classifier, or remove threshold")
        return self
